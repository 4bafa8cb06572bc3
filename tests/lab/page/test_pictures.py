import numpy as np
import pytest
import torch

from lossbook.lab.page.pictures import faces, skeletons


def test_faces_show_every_image_with_its_own_points():
    images = torch.rand(3, 8, 6)
    points = {"ground truth": np.arange(24.0).reshape(3, 4, 2), "prediction": np.zeros((3, 4, 2))}
    figure = faces(images, points, titles=["a", "b", "c"], columns=2)
    third = figure.axes[2]
    assert third.get_title() == "c"
    np.testing.assert_allclose(third.images[0].get_array(), images[2].numpy())
    np.testing.assert_array_equal(third.collections[0].get_offsets(), points["ground truth"][2])
    assert third.get_xlim() == (-0.5, 5.5) and third.get_ylim() == (7.5, -0.5)
    assert len(figure.legends) == 1 and len(figure.legends[0].get_texts()) == 2


@pytest.mark.parametrize(
    ("images", "points", "titles", "message"),
    [
        (np.zeros((8, 6)), {}, None, r"got shape \(8, 6\)"),
        (np.zeros((2, 8, 6)), {"a": np.zeros((1, 4, 2))}, None, r"a: expected \(2, points, 2\)"),
        (np.zeros((2, 8, 6)), {"a": np.zeros((2, 4, 3))}, None, r"got \(2, 4, 3\)"),
        (np.zeros((2, 8, 6)), {}, ["one"], "expected 2 titles, got 1"),
    ],
)
def test_faces_refuse_shapes_that_do_not_fit(images, points, titles, message):
    with pytest.raises(ValueError, match=message):
        faces(images, points, titles=titles)


BONES = [(0, 1), (1, 2)]


@pytest.mark.parametrize("dimensions", [2, 3])
def test_skeletons_connect_the_points_of_each_hand_in_its_own_panel(dimensions):
    points = np.arange(2 * 3 * dimensions, dtype=float).reshape(2, 3, dimensions)
    figure = skeletons({"coarse": points, "refined": points + 1}, BONES, titles=["a", "b"])
    second = figure.axes[1]
    assert second.get_title() == "b"
    lines = [line for line in second.lines if line.get_label() in ("coarse", "refined")]
    drawn = lines[1].get_data_3d() if dimensions == 3 else lines[1].get_data()
    path = np.array(drawn).T
    expected = points[1] + 1
    if dimensions == 3:  # x, depth, height
        expected = np.stack([expected[:, 0], expected[:, 2], -expected[:, 1]], 1)
    np.testing.assert_array_equal(path[[0, 1, 3, 4]], expected[[0, 1, 1, 2]])
    assert np.isnan(path[2]).all()
    assert dimensions == 3 or second.get_ylim()[0] > second.get_ylim()[1]
    assert len(figure.legends[0].get_texts()) == 2


@pytest.mark.parametrize(
    ("points", "options", "message"),
    [
        ({}, {}, r"got shape \(\)"),
        ({"a": np.zeros((2, 3, 4))}, {}, r"got shape \(2, 3, 4\)"),
        ({"a": np.zeros((2, 3, 2)), "b": np.zeros((1, 3, 2))}, {}, r"b: expected \(2, 3, 2\)"),
        ({"a": np.zeros((2, 2, 2))}, {}, "index outside of 0 to 1"),
        ({"a": np.zeros((2, 3, 2))}, {"titles": ["one"]}, "expected 2 titles, got 1"),
    ],
)
def test_skeletons_refuse_what_does_not_fit(points, options, message):
    with pytest.raises(ValueError, match=message):
        skeletons(points, BONES, **options)
