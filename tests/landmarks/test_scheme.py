import math

import numpy as np
import pytest
import torch

from lossbook.lab.landmarks.scheme import (
    FACE_CONTOUR_FROM_MEDIAPIPE,
    WFLW98_FLIP,
    wflw98_from_mediapipe,
)

FLIP = list(WFLW98_FLIP)


def test_flipping_the_points_twice_gives_them_back():
    assert [FLIP[i] for i in FLIP] == list(range(98))
    fixed = [i for i in range(98) if FLIP[i] == i]
    assert fixed == [16, 51, 52, 53, 54, 57, 79, 85, 90, 94]


def test_the_98_points_of_the_average_face_are_their_own_mirror_image(faces):
    upright = faces.landmarks[(faces.angles.abs() < math.radians(3)).all(1)]
    assert len(upright) > 20
    average = (upright - upright[:, 51:52]).mean(0)
    mirrored = average[FLIP] * torch.tensor([-1.0, 1.0])
    shift = (average - mirrored).mean(0)
    assert (average - mirrored - shift).abs().max() < 1.5


def test_named_points_lie_where_wflw_has_them(faces):
    x, y = faces.landmarks.mean(0).unbind(-1)
    assert x[0] < x[60] < x[96] < x[64] < x[51] < x[68] < x[97] < x[72] < x[32]
    assert y[33] < y[60] < y[54] < y[57] < y[79] < y[90] < y[94] < y[85] < y[16]
    assert x[33] < x[37] < x[42] < x[46]
    assert x[38] > x[41]
    assert x[47] > x[50]
    assert x[76] < x[88] < x[90] < x[92] < x[82]
    assert y[62] < y[96] < y[66]
    assert x[55] < x[57] < x[59]
    assert (y[51:55].diff() > 0).all()


def test_the_contour_is_evenly_spaced_on_both_sides_of_the_chin():
    points = np.random.default_rng(0).random((2, 3, 478, 3))
    contour = wflw98_from_mediapipe(points)[..., :33, :]
    assert contour.shape == (2, 3, 33, 2)
    mesh = points[..., FACE_CONTOUR_FROM_MEDIAPIPE, :2]
    for ours, theirs in ((0, 0), (16, 11), (32, 22)):
        np.testing.assert_allclose(contour[..., ours, :], mesh[..., theirs, :])
    line = np.zeros((478, 2))
    line[list(FACE_CONTOUR_FROM_MEDIAPIPE), 0] = np.arange(23) ** 2
    np.testing.assert_allclose(np.diff(wflw98_from_mediapipe(line)[:17, 0]), 121 / 16)


@pytest.mark.parametrize("shape", [(478,), (468, 3), (478, 4), (2, 98, 2)])
def test_other_meshes_are_refused(shape):
    with pytest.raises(ValueError, match="478"):
        wflw98_from_mediapipe(np.zeros(shape))
