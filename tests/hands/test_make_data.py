import importlib.util
import os

import numpy as np
import pytest
import torch
from clip_files import index_of, pose_format, write_clip

from lossbook.lab.hands import make_data
from lossbook.lab.hands.clips import FILE, load_hands
from lossbook.lab.hands.crops import to_crop
from lossbook.lab.hands.kinematics import Hand
from lossbook.lab.hands.make_data import main, prepare, read_clips, right_hands


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


def clip_file(component="RIGHT_HAND_LANDMARKS"):
    data = np.arange(3 * 21 * 3).reshape(3, 1, 21, 3) + 0.3
    return write_clip(data, component, unfound=[1])


def test_a_clip_gives_the_hands_whose_points_were_all_found():
    hands = right_hands(clip_file(), "a.pose")
    assert hands.dtype == np.float16
    assert hands.shape == (2, 21, 2)
    expected = np.arange(3 * 21 * 3).reshape(3, 21, 3)[[0, 2], :, :2] + 0.3
    np.testing.assert_array_equal(hands, expected.astype(np.float32).astype(np.float16))


def test_a_clip_without_a_right_hand_is_refused():
    with pytest.raises(ValueError, match=r"a\.pose: .*21 points of RIGHT_HAND_LANDMARKS, .*LEFT"):
        right_hands(clip_file("LEFT_HAND_LANDMARKS"), "a.pose")


def test_clips_are_numbered_by_name():
    index = index_of(("b/2.pose", "gsg", "Ä"), ("a/1.pose", "fsl", "A"))
    frames = read_clips({"b/2.pose": clip_file(), "a/1.pose": clip_file(), "index.csv": index})
    assert frames.clip.tolist() == [0, 0, 1, 1]
    assert frames.language.tolist() == ["fsl", "fsl", "gsg", "gsg"]
    assert frames.letter.tolist() == ["A", "A", "Ä", "Ä"]
    assert len(frames.points) == 4


# The command


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
