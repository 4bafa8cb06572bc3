import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from clip_files import expect, index_of, pose_format, wheel, write_clip

from lossbook.lab.motion.clips import (
    SIGN_HEADS,
    head_rotation,
    load_face_mesh,
    load_sign_heads,
)
from lossbook.lab.motion.make_data import (
    DEPTH,
    POINTS,
    RIGID,
    Clip,
    fit_mesh,
    main,
    prepare,
    read_faces,
    resample,
)
from lossbook.lab.run.spelling import open_clips

CHIN = POINTS.index(152)
NOSE_TIP = 1


def faces(euler, scale=6.0, place=(250.0, -120.0, 3.0), change=0.0):
    """Faces as the clips have them: the mesh, turned, scaled, shifted, in a picture with y down.

    Args:
        euler: (frames, 3) in degrees.
        change: (frames, 468, 3) in cm, added before that.
    """
    euler = torch.as_tensor(euler, dtype=torch.float64)
    own = load_face_mesh().vertices.double() + change
    seen = (own @ head_rotation(euler).mT).numpy() * np.reshape(scale, (-1, 1, 1)) + np.array(place)
    seen = seen * [1, -1, -1] / [1, 1, DEPTH]
    return np.concatenate([seen, seen[:, :10]], axis=1)  # the irises, which nothing is done with


def nods(frames, seed=0):
    return np.random.default_rng(seed).normal(size=(frames, 3)) * 5


def clip(frames, fps=25.0, **changes):
    return Clip(faces(nods(frames), **changes), fps, "gsg", "A")


# The pose


def test_the_pose_that_a_face_was_given_is_found():
    euler = np.array([[10.0, 0, 0], [0, 20, 0], [0, 0, -30], [12, -25, 7]])
    fit = fit_mesh(faces(euler, scale=np.array([5.0, 6, 7, 8])))
    np.testing.assert_allclose(fit.euler, euler, atol=1e-9)
    np.testing.assert_allclose(fit.scale, [5, 6, 7, 8])
    np.testing.assert_allclose(fit.place, [[250, -120, 3]] * 4)
    np.testing.assert_allclose(fit.miss, 0, atol=1e-9)
    mesh = load_face_mesh().vertices[list(POINTS)].double().expand(4, 21, 3)
    np.testing.assert_allclose(fit.own, mesh, atol=1e-9)


def test_a_nose_that_moves_right_in_the_picture_is_positive_yaw():
    face = faces([[0.0, 0, 0], [0, 15, 0]])
    assert face[1, NOSE_TIP, 0] > face[0, NOSE_TIP, 0] + 5
    assert fit_mesh(face).euler[1, 1] == pytest.approx(15)


def test_a_nose_that_moves_down_in_the_picture_is_positive_pitch():
    face = faces([[0.0, 0, 0], [15, 0, 0]])
    assert face[1, NOSE_TIP, 1] > face[0, NOSE_TIP, 1] + 5
    assert fit_mesh(face).euler[1, 0] == pytest.approx(15)


def test_a_face_that_moves_leaves_the_pose_alone():
    """A jaw that opens by 2 cm is expression, and upright: the head's own frame does not turn."""
    change = np.zeros((2, 468, 3))
    change[1, 152, 1] = -2
    fit = fit_mesh(faces([[20.0, 30, 10]] * 2, change=torch.from_numpy(change)))
    np.testing.assert_allclose(fit.euler, [[20, 30, 10]] * 2, atol=1e-9)
    moved = fit.own[1] - fit.own[0]
    np.testing.assert_allclose(moved[CHIN], [0, -2, 0], atol=1e-9)
    np.testing.assert_allclose(np.delete(moved, CHIN, 0), 0, atol=1e-9)


def test_rigid_points_are_symmetric_and_none_twice():
    vertices = load_face_mesh().vertices[list(RIGID)]
    mirrored = vertices * torch.tensor([-1.0, 1, 1])
    assert len(set(RIGID)) == len(RIGID) == 27
    assert (mirrored[:, None] - vertices).norm(dim=-1).amin(1).max() < 1e-5
    assert len(set(POINTS)) == len(POINTS) == 21


# Time


def test_a_line_stays_a_line_at_another_rate():
    points = np.arange(31.0)[:, None, None] * np.ones((1, 2, 3))
    found = resample(points, 30.0)
    # 1 s: frames 0 to 25, each 1.2 of the old ones apart.
    np.testing.assert_allclose(found[:, 0, 0], np.arange(26) * 1.2)
    assert found.shape == (26, 2, 3)


def test_the_usual_rate_changes_nothing():
    points = np.random.default_rng(0).random((5, 2, 3))
    assert resample(points, 25.0) is points


# The file


def test_motion_is_about_the_mean_of_its_clip():
    euler = nods(40)
    scale = 6 + np.sin(np.arange(40) / 5)
    change = torch.zeros(40, 468, 3, dtype=torch.float64)
    change[:, 152, 1] = torch.arange(40) / 20
    made = Clip(faces(euler, scale=scale, change=change), 25.0, "gsg", "A")
    arrays, left_out = prepare([clip(20), made])
    assert left_out == {"short": 0, "long": 0, "fit": 0, "turned": 0}
    own = arrays["clip"] == 1
    assert own.sum() == 40
    np.testing.assert_allclose(arrays["euler"][own], euler, atol=1e-4)
    np.testing.assert_allclose(arrays["scale"][own], scale / scale.mean(), rtol=1e-5)
    np.testing.assert_allclose(arrays["t"][own], 0, atol=1e-4)
    chin = arrays["exp"][own].reshape(-1, 21, 3)[:, CHIN, 1]
    np.testing.assert_allclose(chin, (np.arange(40) - 19.5) / 20, atol=1e-3)


def test_clips_that_are_no_use_are_left_out_for_the_first_reason():
    far = faces([[0.0, 70, 0]] * 20)
    bent = faces(nods(20))
    bent[7, RIGID[:13], 0] += 40
    clips = [
        clip(11),
        clip(12),
        clip(14, fps=30.0),
        clip(101),
        Clip(bent, 25.0, "gsg", "B"),
        Clip(far, 25.0, "gsg", "C"),
        clip(100),
    ]
    arrays, left_out = prepare(clips)
    # 14 frames at 30 a second are 11 at 25.
    assert left_out == {"short": 2, "long": 1, "fit": 1, "turned": 1}
    assert np.bincount(arrays["clip"]).tolist() == [12, 100]
    assert len(arrays["language"]) == len(arrays["word"]) == 2


def test_no_clip_at_all_is_an_error():
    with pytest.raises(ValueError, match="no clip is left of 1, left out .*'short': 1"):
        prepare([clip(3)])


# The clips


def lexicon(**changes):
    points = {"a/1.pose": faces(nods(20)), "b/2.pose": faces(nods(30, seed=1))}
    content = {
        name: write_clip(face[:, None], "FACE_LANDMARKS", **changes)
        for name, face in points.items()
    }
    rows = [("b/2.pose", "gsg", "Ä"), ("a/1.pose", "fsl", "A")]
    return content | {"index.csv": index_of(*rows)}


def test_faces_are_read_in_the_order_of_the_files():
    found = read_faces(lexicon(fps=30.0))
    assert [(len(c.points), c.fps, c.language, c.word) for c in found] == [
        (20, 30.0, "fsl", "A"),
        (30, 30.0, "gsg", "Ä"),
    ]
    assert found[0].points.shape == (20, 478, 3)


def test_a_clip_with_a_lost_face_is_named():
    with pytest.raises(ValueError, match=r"a/1\.pose: 2 of 20 frames have no face"):
        read_faces(lexicon(unfound=[3, 4]))


def test_a_clip_without_a_face_is_named():
    files = {"a/1.pose": write_clip(np.zeros((3, 1, 21, 3)), "HAND")}
    with pytest.raises(ValueError, match=r"a/1\.pose: .*478 points of FACE_LANDMARKS"):
        read_faces(files | {"index.csv": index_of(("a/1.pose", "fsl", "A"))})


def test_the_command_makes_a_file_out_of_a_wheel(tmp_path, monkeypatch, capsys):
    files = lexicon()
    path, out = wheel(tmp_path / "some.whl", files), tmp_path / "deep" / "made.npz"
    expect(monkeypatch, path, files)
    main([str(path), "--out", str(out)])
    assert "2 clips" in capsys.readouterr().out
    heads = load_sign_heads(out)
    assert heads.language == ("fsl", "gsg")
    assert heads.word == ("A", "Ä")
    assert heads.points == POINTS
    expected = np.concatenate([nods(20), nods(30, seed=1)])
    np.testing.assert_allclose(heads.euler, expected, atol=2e-3)


@pytest.fixture
def source():
    """Set LOSSBOOK_SPOKEN_TO_SIGNED to the wheel's path; or have the package installed."""
    pose_format()
    path = os.environ.get("LOSSBOOK_SPOKEN_TO_SIGNED")
    if not path and importlib.util.find_spec("spoken_to_signed") is None:
        pytest.skip("needs the wheel of spoken-to-signed 0.4.0")
    return path


def test_real_faces_turn_as_their_angles_say(source):
    """Seen in the picture alone, without depth and without the mesh."""
    clips = [c for c in read_faces(open_clips(source and Path(source))) if 12 < len(c.points) < 100]
    points = np.concatenate([c.points[:, :, :2] for c in clips])
    euler = np.concatenate([fit_mesh(c.points).euler for c in clips])
    left, right, nose = points[:, 33], points[:, 263], points[:, NOSE_TIP]
    to_right, down = ((nose - (left + right) / 2) / np.linalg.norm(right - left, axis=1)[:, None]).T
    slope = (right - left)[:, 1] / (right - left)[:, 0]
    assert np.corrcoef(down, euler[:, 0])[0, 1] > 0.9
    assert np.corrcoef(to_right, euler[:, 1])[0, 1] > 0.8
    assert np.corrcoef(slope, euler[:, 2])[0, 1] < -0.9


def test_the_shipped_heads_come_out_of_the_wheel(source, tmp_path):
    main([*([source] if source else []), "--out", str(tmp_path / "made.npz")])
    with np.load(tmp_path / "made.npz") as made, np.load(SIGN_HEADS) as shipped:
        assert made.files == shipped.files
        for name in shipped.files:
            assert made[name].dtype == shipped[name].dtype
            if made[name].dtype.kind == "f":
                # An SVD, whose last bits depend on the machine.
                np.testing.assert_allclose(made[name], shipped[name], atol=3e-3)
            else:
                assert np.array_equal(made[name], shipped[name])
