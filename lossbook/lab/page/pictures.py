"""Figures of things that one can look at: faces with landmarks, hands as skeletons."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lossbook.lab.page.canvas import WIDTH, legend, panels
from lossbook.lab.page.formulas import Array, Limits, Number
from lossbook.lab.page.palette import colour, styles


def faces(
    images: npt.ArrayLike,
    points: Mapping[str, npt.ArrayLike],
    *,
    titles: Sequence[str] | None = None,
    columns: int = 6,
) -> Figure:
    """Grey images in a grid with landmarks drawn over them.

    Args:
        images: (n, height, width), any grey range; each image is stretched from its own black to
            its own white.
        points: By name, (n, points, 2) of x and y in pixels, where the first pixel's centre is 0.
        titles: One for each image.
        columns: Images in a row.

    Returns:
        A figure with one axes per image.

    Raises:
        ValueError: If a shape or the number of titles does not fit the images.
    """
    pictures = np.asarray(images)
    if pictures.ndim != 3 or not len(pictures) or columns < 1:
        raise ValueError(f"expected images (n, height, width), got shape {pictures.shape}")
    clouds = {name: np.asarray(cloud, dtype=np.float64) for name, cloud in points.items()}
    for name, cloud in clouds.items():
        if cloud.ndim != 3 or cloud.shape[0] != len(pictures) or cloud.shape[2] != 2:
            raise ValueError(f"{name}: expected ({len(pictures)}, points, 2), got {cloud.shape}")
    if titles is not None and len(titles) != len(pictures):
        raise ValueError(f"expected {len(pictures)} titles, got {len(titles)}")
    columns = min(columns, len(pictures))
    aspect = pictures.shape[1] / pictures.shape[2]
    height = WIDTH / columns * aspect + (0.3 if titles is not None else 0)
    figure, axes = panels(columns, math.ceil(len(pictures) / columns), height=height)
    looks = styles(clouds)
    for index, panel in enumerate(axes):
        panel.axis("off")
        if index < len(pictures):
            shown = {name: cloud[index] for name, cloud in clouds.items()}
            _face(panel, pictures[index], shown, looks, size=5 if columns > 3 else 12)
            if titles is not None:
                panel.set_title(titles[index])
    legend(figure, axes[0], length=1, marker=2 if columns > 3 else 1.4)
    return figure


def _face(
    panel: Axes,
    picture: npt.NDArray[Any],
    clouds: Mapping[str, Array],
    looks: Mapping[str, Mapping[str, Any]],
    *,
    size: Number,
) -> None:
    # Unsmoothed, a picture is half the size, and notebooks carry many.
    panel.imshow(picture, cmap="gray", interpolation="nearest")
    for index, (name, cloud) in enumerate(clouds.items()):
        marker = "ox^+"[index % 4]
        line = {"edgecolors": "white", "linewidths": 0.4} if marker in "o^" else {"linewidths": 0.8}
        panel.scatter(
            cloud[:, 0], cloud[:, 1], s=size, marker=marker, color=looks[name]["color"],
            label=name, **line,
        )  # fmt: skip
    # A point far outside must not shrink the face.
    panel.set(xlim=(-0.5, picture.shape[1] - 0.5), ylim=(picture.shape[0] - 0.5, -0.5))


def skeletons(
    points: Mapping[str, npt.ArrayLike],
    bones: Sequence[tuple[int, int]],
    *,
    titles: Sequence[str] | None = None,
    columns: int = 4,
    limits: tuple[Limits, Limits] | None = None,
    view: tuple[Number, Number] = (15, -60),
) -> Figure:
    """Skeletons in a grid, several over each other in each panel; y points down as in images.

    The first one, usually the truth, is drawn broad and the others over it.

    Args:
        points: By name, (n, points, 2) or (n, points, 3) with z pointing away, all in one unit.
            A point with NaN is left out, with its bones.
        bones: Pairs of indices to connect.
        titles: One for each panel.
        columns: Panels in a row.
        limits: First and last x and y of every flat panel; by default each panel fits its own.
        view: Elevation and azimuth of panels in three dimensions, in degrees.

    Returns:
        A figure with one axes for each of the n skeletons.

    Raises:
        ValueError: If there is nothing to draw, shapes or the number of titles do not fit, or a
            bone has an index that is not there.
    """
    clouds = {name: np.asarray(cloud, dtype=np.float64) for name, cloud in points.items()}
    shape = next(iter(clouds.values())).shape if clouds else ()
    if len(shape) != 3 or shape[2] not in (2, 3) or not shape[0] or columns < 1:
        raise ValueError(f"expected points (n, points, 2 or 3), got shape {shape}")
    for name, cloud in clouds.items():
        if cloud.shape != shape:
            raise ValueError(f"{name}: expected {shape}, got {cloud.shape}")
    if not all(0 <= end < shape[1] for bone in bones for end in bone):
        raise ValueError(f"a bone has an index outside of 0 to {shape[1] - 1}: {list(bones)}")
    if titles is not None and len(titles) != shape[0]:
        raise ValueError(f"expected {shape[0]} titles, got {len(titles)}")
    columns = min(columns, shape[0])
    rows = math.ceil(shape[0] / columns)
    projection = "3d" if shape[2] == 3 else None
    figure, axes = panels(columns, rows, height=WIDTH / columns + 0.25, projection=projection)
    for index, panel in enumerate(axes):
        if index >= shape[0] or shape[2] == 3:
            panel.axis("off")
        if index >= shape[0]:
            continue
        for order, (name, cloud) in enumerate(clouds.items()):
            width = 2.2 if len(clouds) == 1 else 1.5 if order else 3.5
            _skeleton(panel, cloud[index], bones, name, width=width)
        panel.set_aspect("equal")
        if shape[2] == 3:
            panel.view_init(*view)
            panel.set_box_aspect(None, zoom=1.5)
        else:
            panel.set(xticks=[], yticks=[])
            panel.spines[:].set(visible=limits is not None, color="#BDC1C6")
            if limits is not None:
                panel.set(xlim=limits[0], ylim=limits[1])
            panel.invert_yaxis()
        if titles is not None:
            panel.set_title(titles[index], fontsize=11)
    if len(clouds) > 1:
        legend(figure, axes[0])
    return figure


def _skeleton(
    panel: Axes, cloud: Array, bones: Sequence[tuple[int, int]], name: str, *, width: Number
) -> None:
    if cloud.shape[1] == 3:  # depth goes to the back of the box, and up is up
        cloud = cloud[:, [0, 2, 1]] * [1, 1, -1]
    # One line with gaps: a legend then has one entry for each skeleton. Dashes would break bones,
    # so skeletons differ in colour and width.
    gap = np.full(cloud.shape[1], np.nan)
    path = np.array([row for a, b in bones for row in (cloud[a], cloud[b], gap)])
    hue = colour(name)
    panel.plot(*path.T, linewidth=width, label=name, color=hue, solid_capstyle="round")
    panel.plot(*cloud.T, linestyle="none", marker="o", markersize=2 + width / 2, color=hue)
