import numpy as np
import pytest

from lossbook.lab.run.arrays import read_arrays

EXPECTED = {"points": ("float32", ("frames", 2)), "name": ("text", ("frames",))}


def write(path, **arrays):
    np.savez(path, **arrays)
    return path


def test_arrays_of_the_expected_kind_are_read(tmp_path):
    points = np.arange(6, dtype=np.float32).reshape(3, 2)
    path = write(tmp_path / "some.npz", points=points, name=np.array(["a", "b", "ü"]))
    found = read_arrays(path, EXPECTED)
    assert list(found) == ["points", "name"]
    np.testing.assert_array_equal(found["points"], points)
    assert found["name"].tolist() == ["a", "b", "ü"]


@pytest.mark.parametrize(
    ("points", "name", "message"),
    [
        (np.zeros((3, 2)), "abc", r"points must be float32 of shape \(frames, 2\), found float64"),
        (np.zeros((3, 3), np.float32), "abc", r"found float32 of shape \(3, 3\)"),
        (np.zeros(3, np.float32), "abc", r"found float32 of shape \(3,\)"),
        (np.zeros((3, 2), np.float32), "ab", "name has 2 frames, points has 3"),
        (np.zeros((3, 2), np.float32), [1, 2, 3], r"name must be text of shape \(frames,\)"),
        (np.full((3, 2), np.inf, np.float32), "abc", r"points must be finite, found inf at \[0, 0"),
    ],
)
def test_what_is_wrong_is_said_with_path_and_name(points, name, message, tmp_path):
    path = write(tmp_path / "some.npz", points=points, name=np.array(list(name)))
    with pytest.raises(ValueError, match=rf"some\.npz: .*{message}"):
        read_arrays(path, EXPECTED)
