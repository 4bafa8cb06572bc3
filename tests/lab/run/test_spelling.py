import sys
from zipfile import ZipFile

import numpy as np
import pytest
from clip_files import expect, index_of, pose_format, wheel, write_clip

from lossbook.lab.run import files, spelling
from lossbook.lab.run.spelling import clip_names, open_clips, read_index, read_track

HAND = "RIGHT_HAND_LANDMARKS"


def clip_file(frames=3, people=1, component=HAND, points=21):
    data = np.arange(frames * people * points * 3).reshape(frames, people, points, 3) + 0.3
    return write_clip(data, component, unfound=[1])


# The clips


def test_a_track_is_the_component_of_its_name():
    track = read_track(clip_file(), "a.pose", HAND, 21)
    assert track.points.dtype == np.float32
    expected = np.arange(3 * 21 * 3).reshape(3, 21, 3) + 0.3
    np.testing.assert_array_equal(track.points, expected.astype(np.float32))
    assert track.found.tolist() == [True, False, True]
    assert track.fps == 25.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"people": 2}, "expected one person .* found 2"),
        ({"component": "LEFT_HAND_LANDMARKS"}, "21 points of RIGHT_HAND_LANDMARKS, .*LEFT_HAND"),
        ({"points": 20}, "found 1 .*'RIGHT_HAND_LANDMARKS': 20"),
    ],
)
def test_clips_of_anything_else_are_refused(changes, message):
    with pytest.raises(ValueError, match=rf"a\.pose: .*{message}"):
        read_track(clip_file(**changes), "a.pose", HAND, 21)


@pytest.mark.parametrize("content", [b"", b"no clip", None])
def test_a_damaged_clip_is_named(content):
    content = clip_file()[:-50] if content is None else content
    pose_format()
    with pytest.raises(ValueError, match=r"a\.pose: not a clip"):
        read_track(content, "a.pose", HAND, 21)


def test_missing_pose_format_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pose_format", None)
    with pytest.raises(ImportError, match="pip install pose-format"):
        read_track(b"", "a.pose", HAND, 21)


# The index


def test_clips_are_named_by_the_last_line_of_the_index():
    rows = [("b/2.pose", "gsg", "Ä"), ("a/1.pose", "ase", "A"), ("a/1.pose", "fsl", "A")]
    files = {"b/2.pose": b"", "a/1.pose": b"", "index.csv": index_of(*rows)}
    assert clip_names(files) == ["a/1.pose", "b/2.pose"]
    assert read_index(files) == {"a/1.pose": ("fsl", "A"), "b/2.pose": ("gsg", "Ä")}


def test_a_clip_that_the_index_does_not_know_is_named():
    with pytest.raises(ValueError, match=r"c/3\.pose: the index"):
        read_index({"c/3.pose": b"", "index.csv": index_of(("a/1.pose", "ase", "A"))})


# The wheel

FILES = {"a/1.pose": b"one", "b/2.pose": b"two", "index.csv": b"path\n"}


def test_wheel_and_installed_package_give_the_same_clips(tmp_path, monkeypatch):
    path = wheel(tmp_path / "some.whl", FILES)
    expect(monkeypatch, path, FILES)
    assert list(open_clips(path).items()) == list(FILES.items())
    with ZipFile(path) as archive:
        archive.extractall(tmp_path / "site")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert list(open_clips().items()) == list(FILES.items())
    (tmp_path / "site/spoken_to_signed/assets/fingerspelling_lexicon/a/1.pose").write_bytes(b"1")
    with pytest.raises(ValueError, match="installed package .* of release 0.4.0; found 3 files"):
        open_clips()


def test_another_wheel_is_refused_by_size_then_by_checksum(tmp_path, monkeypatch):
    path = wheel(tmp_path / "some.whl", FILES)
    with pytest.raises(ValueError, match=r"some\.whl: expected 95934858 bytes, found \d+"):
        open_clips(path)
    monkeypatch.setattr(spelling, "WHEEL_SIZE", path.stat().st_size)
    with pytest.raises(ValueError, match=r"some\.whl: expected the SHA-256 10570745.*, found "):
        open_clips(path)


def test_without_wheel_and_package_it_says_what_to_do(monkeypatch):
    monkeypatch.setattr(files, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip download spoken-to-signed==0.4.0"):
        open_clips()
