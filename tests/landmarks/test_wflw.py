import json
import time

import numpy as np
import pytest
import torch
from PIL import Image

from lossbook.lab.landmarks import experiment, on_wflw
from lossbook.lab.landmarks.crops import crop
from lossbook.lab.landmarks.wflw import WFLW_ATTRIBUTES, read_wflw
from lossbook.lab.run import command


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
    assert WFLW_ATTRIBUTES[0] == "pose"
    assert WFLW_ATTRIBUTES[1:] == (
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


@pytest.mark.long
def test_the_time_to_read_grows_with_the_number_of_faces_not_with_its_square(tmp_path):
    def seconds(faces):
        path = write(tmp_path, *[wflw_line()] * faces)
        start = time.process_time()
        assert len(read_wflw(path)) == faces
        return time.process_time() - start

    seconds(100)
    assert seconds(4_000) < 8 * seconds(1_000)


@pytest.fixture
def wflw(tmp_path):
    """A small WFLW: noise with a bright square of 4 pixels where point 0 is."""
    generator = np.random.default_rng(0)
    lists = tmp_path / "WFLW_annotations" / "list_98pt_rect_attr_train_test"
    lists.mkdir(parents=True)
    for part, count in (("train", 6), ("test", 3)):
        lines = []
        for number in range(count):
            picture = generator.integers(0, 100, (180, 240, 3), dtype=np.uint8)
            points = generator.uniform((60, 40), (160, 140), (98, 2)).round()
            x, y = points[0].astype(int)
            picture[y - 2 : y + 2, x - 2 : x + 2] = 255
            name = f"{part}/{number}.png"
            path = tmp_path / "WFLW_images" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(path)
            marked = [str(number % 2)] + ["0"] * 5
            numbers = [*map(str, points.ravel()), "60", "40", "160", "140", *marked, name]
            lines.append(" ".join(numbers))
        (lists / f"list_98pt_rect_attr_{part}.txt").write_text("\n".join(lines))
    return tmp_path


def test_wflws_points_lie_where_its_pictures_show_them(wflw):
    faces, many = on_wflw.load_wflw(wflw)
    assert many == 6 and len(faces) == 9
    assert faces.attributes.shape == (9, 6) and faces.attributes[:, 0].tolist() == [
        0, 1, 0, 1, 0, 1, 0, 1, 0,
    ]  # fmt: skip
    views = crop(faces.images, faces.landmarks, faces.angles)
    for image, (x, y) in zip(views.images[:, 0], views.landmarks[:, 0].tolist(), strict=True):
        there = image[round(y) - 1 : round(y) + 1, round(x) - 1 : round(x) + 1]
        assert there.min() > 0.85
    # The box's longer side, 100 px, is 1 / 1.25 of the crop's.
    apart = (views.landmarks[:, 0] - views.landmarks[:, 1]).norm(dim=1)
    original = on_wflw.read_wflw(next((wflw / "WFLW_annotations").rglob("*train.txt"))).landmarks
    before = (original[:, 0] - original[:, 1]).norm(dim=1)
    torch.testing.assert_close(apart[:6] / before, torch.full((6,), 112 / 125))


def test_wflw_is_trained_on_and_its_scores_are_written_down(wflw, tmp_path, capsys):
    out = tmp_path / "scores.json"
    arms = ["--arms", "Wing", "1 + attributes"]
    how = ["--steps", "2", "--batch-size", "3", "--device", "cpu", "--out", str(out)]
    on_wflw.main([str(wflw), *arms, *how])
    found = json.loads(out.read_text())
    assert list(found["scores"]) == ["Wing", "1 + attributes"]
    assert found["scores"]["Wing"]["nme"] > 0 and found["settings"]["steps"] == 2
    assert capsys.readouterr().out.count("NME") == 2


@pytest.mark.parametrize("spelling", ["--wflw {}", "--wflw={}"])
def test_the_experiment_hands_wflw_over(wflw, tmp_path, spelling):
    out = tmp_path / "scores.json"
    how = ["--arms", "Wing", "--steps", "2", "--batch-size", "3", "--device", "cpu", "--out"]
    command.main(experiment.EXPERIMENT.module, [*spelling.format(wflw).split(), *how, str(out)])
    found = json.loads(out.read_text())
    on_wflw.main([str(wflw), *how, str(out)])
    (again,) = json.loads(out.read_text())["scores"].values()
    assert found["scores"]["Wing"] | {"seconds": 0} == again | {"seconds": 0}


def test_the_experiment_says_that_it_knows_wflw(capsys, wflw):
    for arguments in (["--help"], ["--wflw", str(wflw), "--help"], ["--wflw"]):
        with pytest.raises(SystemExit):
            command.main(experiment.EXPERIMENT.module, arguments)
    ours, theirs = capsys.readouterr()
    assert "--wflw PATH" in ours and "--batch-size" in ours
    assert "expected one argument" in theirs


def test_a_folder_that_is_not_wflw_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="list_98pt_rect_attr_train.txt"):
        on_wflw.load_wflw(tmp_path)
