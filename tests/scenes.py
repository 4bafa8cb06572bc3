"""Objects to move, as a chapter declares them; the tests move them."""

import numpy as np
import sympy as sp

from lossbook.hands import symbolic as hands
from lossbook.lab.page.controls import Button, Range
from lossbook.lab.page.formulas import derivative
from lossbook.lab.page.marks import Arrow, Clip, Dots, Handle, Line, Stems, Trail
from lossbook.lab.page.panels import Axis, Panel, bars
from lossbook.lab.page.scene import Scene
from lossbook.lab.page.sliders import slider
from lossbook.landmarks import symbolic as landmarks

x, w, epsilon, beta = landmarks.x, landmarks.w, landmarks.epsilon, landmarks.beta
LOSSES = {
    "L2": landmarks.L2,
    "SmoothL1": landmarks.SMOOTH_L1.subs(beta, 1),
    "Wing": landmarks.WING.subs({w: 10, epsilon: 2}),
}


def wing():
    """Loss and gradient of Wing."""
    return slider(
        landmarks.WING,
        x,
        {w: (1, 20, 10), epsilon: (0.2, 10, 2)},
        name="wing",
        span=(-25, 25),
        values=(0, 60),
        gradients=(-12, 12),
        xlabel="error [px]",
        unit="px",
        title="Wing",
        overlays={"L1": landmarks.L1},
    )


def landmark():
    """A predicted landmark, a true one, and where each loss pushes the prediction."""
    u, v = sp.symbols("u v", real=True)
    push = {
        name: tuple(-derivative(loss, x).subs(x, error) for error in (u, v))
        for name, loss in LOSSES.items()
    }
    value = {name: loss.subs(x, u) + loss.subs(x, v) for name, loss in LOSSES.items()}
    axis = Axis(-12, 12, "error along x [px]")
    return Scene(
        "landmark",
        "Drag the predicted point",
        {
            u: Range(-12, 12, 3, 0.1, "px", "error along x"),
            v: Range(-12, 12, 2, 0.1, "px", "error along y"),
        },
        [
            Panel(
                [
                    Line([(u, v), (0, 0)], width=1),
                    Dots([(0, 0)], look="ground truth", label="true point", size=6),
                    *(Arrow((u, v), (2 * p, 2 * q), label=name) for name, (p, q) in push.items()),
                    Handle(u, v, look="prediction", label="predicted point"),
                ],
                x=axis,
                y=Axis(12, -12, "error along y [px]"),
                title="Arrows: twice the pull",
                equal=True,
            ),
            bars(value, Axis(0, 120, "loss"), title="Loss", format=".1f"),
        ],
        [
            (
                "{r:.1f} px from the truth, L2 pulls with {a:.1f L2}, SmoothL1 with "
                "{b:.2f SmoothL1} and Wing with {c:.2f Wing}.",
                {"r": sp.sqrt(u**2 + v**2)}
                | {
                    key: sp.sqrt(p[0] ** 2 + p[1] ** 2)
                    for key, p in zip("abc", push.values(), strict=True)
                },
            )
        ],
        [Button("nearly right", {u: 0.4, v: -0.3}), Button("far off", {u: -10, v: 8})],
    )


def total():
    """The weighted terms of a total loss."""
    weight = hands.WEIGHTS[1]
    errors = dict(zip(hands.TERMS, (0.9, 14.0, 6.0, 1.3, 2.4), strict=True))
    terms = {
        name: (factor * term).subs(errors | {hands.WEIGHTS[0]: 1})
        for name, factor, term in zip(
            ("2d", "3d_joint", "3d_vert", "prior", "aux"),
            (hands.WEIGHTS[0], weight, 0.5, 0.01, 0.1),
            hands.TERMS,
            strict=True,
        )
    }
    whole = sp.Add(*terms.values())
    return Scene(
        "total",
        "Who decides the total?",
        {weight: Range(0.001, 10, 1, label="weight of the 3D joints", log=True)},
        [bars(terms, Axis(0, 20, "weighted term"))],
        [
            (
                "The total is {t}; the 3D joints are {s:.0%} of it.",
                {"t": whole, "s": terms["3d_joint"] / whole},
            )
        ],
    )


FRAMES, POINTS = 80, 60
ANGLE = 2 * np.pi * np.arange(POINTS) / POINTS


def nodding():
    """A clip of an outline that nods: (frames, points, 2) in cm."""
    turn = 0.5 * np.sin(2 * np.pi * np.arange(FRAMES) / FRAMES)[:, None]
    across = np.broadcast_to(8 * np.cos(ANGLE), (FRAMES, POINTS))
    return np.stack([across, 10 * np.sin(ANGLE) * np.cos(turn) + 4 * np.sin(turn)], axis=-1)


def clip():
    """A clip that is played, and the height of its first point over the frames."""
    table = nodding()
    frame, k = sp.Symbol("frame", integer=True), sp.Symbol("k", integer=True)
    height = sp.IndexedBase("h")
    face = Clip(table, frame, [[*range(POINTS), 0]], look="prediction", label="outline")
    cursor = Line([(frame, -6), (frame, 6)], width=1, look="neutral")
    stems = Stems(height[k], k, (1, FRAMES), look="neutral", width=2)
    return Scene(
        "clip",
        "A clip",
        {frame: Range(1, FRAMES, 1, 1, label="frame", fps=25)},
        [
            Panel([face], Axis(-12, 12), Axis(-16, 16), equal=True, frame=False),
            Panel(
                [stems, cursor, Trail((frame, height[frame])), Dots([(frame, height[frame])])],
                Axis(0, FRAMES, "frame"),
                Axis(-6, 6, "height [cm]"),
            ),
        ],
        [("Point 0 is at {h:.2f} cm.", {"h": height[frame]})],
        arrays={height: np.round(table[:, 0, 1], 3)},
    )


def head():
    """Points of a head that turns, as formulas of the angle."""
    yaw = sp.Symbol("yaw", real=True)
    turn = yaw * sp.pi / 180
    depth = 6 * np.cos(2 * ANGLE)
    places = [
        (
            round(8 * np.cos(a), 2) * sp.cos(turn) + round(z, 2) * sp.sin(turn),
            round(10 * np.sin(a), 2),
        )
        for a, z in zip(ANGLE, depth, strict=True)
    ]
    outline = Line(places, closed=True, look="prediction")
    axis = Axis(-12, 12)
    return Scene(
        "head",
        "A head that turns",
        {yaw: Range(-60, 60, 0, 1, "°", "yaw", fps=30)},
        [
            Panel(
                [outline, Dots(places, size=2, look="neutral")], axis, axis, equal=True, frame=False
            )
        ],
    )
