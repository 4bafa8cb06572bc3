import hashlib

import numpy as np
import pytest
import torch

from lossbook.lab.motion.clips import (
    FACE_MESH,
    SIGN_HEADS,
    TALKING_HEAD,
    head_rotation,
    load_face_mesh,
    load_sign_heads,
    load_talking_head,
)

# Points of MediaPipe's face.
NOSE_TIP, FOREHEAD, CHIN = 1, 10, 152
EYE_LEFT_IN_PICTURE, EYE_RIGHT_IN_PICTURE = 33, 263


@pytest.fixture(scope="module")
def talking():
    return load_talking_head()


@pytest.fixture(scope="module")
def mesh():
    return load_face_mesh()


# People who sign


def test_the_signers_are_complete_and_typed(heads):
    assert len(heads) == 14357
    assert heads.euler.shape == heads.t.shape == (14357, 3)
    assert heads.exp.shape == (14357, 63)
    assert heads.scale.shape == (14357,)
    for tensor in (heads.euler, heads.t, heads.exp, heads.scale):
        assert tensor.dtype == torch.float32
    lengths = torch.bincount(heads.clip)
    assert len(lengths) == len(heads.language) == len(heads.word) == 575
    assert (int(lengths.min()), int(lengths.max())) == (13, 38)
    assert int((lengths >= 20).sum()) == 550
    assert len(set(heads.language)) == 18
    assert heads.fps == 25
    assert SIGN_HEADS.stat().st_size < 2_200_000


def test_position_and_expression_are_about_the_mean_of_their_clip(heads):
    count = torch.bincount(heads.clip)[:, None]
    for tensor in (heads.t, heads.exp, heads.scale[:, None] - 1):
        mean = torch.zeros(575, tensor.shape[1]).index_add(0, heads.clip, tensor) / count
        assert mean.abs().max() < 1e-3


def test_signers_hold_their_heads_still(heads):
    """The median range within a clip, in degrees."""
    spans = [torch.stack([e.amax(0) - e.amin(0)]) for e in split(heads.euler, heads)]
    pitch, yaw, roll = torch.cat(spans).median(0).values.tolist()
    assert 3.2 < pitch < 3.8
    assert 2.4 < yaw < 2.8
    assert 1.1 < roll < 1.4


def test_motion_goes_on_from_frame_to_frame(heads):
    """Correlation of a frame with the next, about the mean of the clip, over all clips."""
    for tensor, least, most in (
        (heads.euler, 0.87, 0.93),
        (heads.exp, 0.74, 0.81),
        (heads.t, 0.89, 0.95),
    ):
        parts = [part - part.mean(0) for part in split(tensor, heads)]
        before, after = (
            torch.cat([part[:-1] for part in parts]),
            torch.cat([p[1:] for p in parts]),
        )
        product = (before * after).sum(0) / (before.square().sum(0) * after.square().sum(0)).sqrt()
        assert least < product.mean() < most


def split(tensor, heads):
    return tensor.split(torch.bincount(heads.clip).tolist())


def test_rounding_is_far_below_the_noise_of_expressions(heads):
    """Third differences hold next to nothing but noise; their variance is 20 times its own."""
    third = torch.cat([part.diff(n=3, dim=0) for part in split(heads.exp, heads)])
    noise = third.abs().median(0).values / 0.6745 / 20**0.5
    spacing = 2.0 ** (heads.exp.abs().clamp(min=2**-14).log2().floor() - 10)
    rounding = (spacing.square().mean(0) / 12).sqrt()
    assert (rounding < noise / 50).all()


def test_all_clips_begin_with_the_same_pose(heads):
    first = starts(heads.clip)
    assert int(first.sum()) == 575
    common = heads.euler[first][0]
    assert torch.equal(heads.euler[first], common.expand(575, 3))
    torch.testing.assert_close(common, torch.tensor([-4.478, -0.386, 1.072]), atol=1e-3, rtol=0)


def starts(clip):
    return torch.cat([torch.ones(1, dtype=torch.bool), clip.diff() > 0])


def test_no_other_frame_has_that_pose(heads):
    """How many come near to it stands in the docstring."""
    first = starts(heads.clip)
    distance = (heads.euler - heads.euler[0]).abs().amax(1)
    assert int((distance[~first] < 0.001).sum()) == 0
    assert int((distance[~first] < 0.1).sum()) == 24
    assert int((distance[~first] < 0.5).sum()) == 1054
    assert 0.56 < distance[first.nonzero().flatten() + 1].median() < 0.58


def test_first_frames_can_be_left_out(heads):
    fewer = load_sign_heads(skip=1)
    kept = ~starts(heads.clip)
    assert len(fewer) == 14357 - 575
    for name in ("euler", "scale", "t", "exp", "clip"):
        assert torch.equal(getattr(fewer, name), getattr(heads, name)[kept])
    assert fewer.language == heads.language
    assert len(load_sign_heads(skip=12)) == 14357 - 12 * 575


@pytest.mark.parametrize("skip", [-1, 13])
def test_more_frames_than_there_are_cannot_be_left_out(skip):
    with pytest.raises(ValueError, match=rf"skip must be between 0 and 12.* it is {skip}"):
        load_sign_heads(skip=skip)


# The actress


def test_the_actress_is_complete_and_typed(talking):
    assert len(talking) == len(talking.scale) == 472
    assert talking.blendshapes.shape == (472, 52)
    assert len(set(talking.names)) == 52
    assert talking.names[0] == "_neutral"
    assert talking.euler.dtype == talking.t.dtype == talking.blendshapes.dtype == torch.float32
    assert abs(talking.scale.mean() - 1) < 1e-6
    assert talking.t.mean(0).abs().max() < 1e-4


def test_the_actress_moves_far(talking):
    spans = (talking.euler.amax(0) - talking.euler.amin(0)).tolist()
    assert spans == pytest.approx([26.0, 23.7, 47.0], abs=0.1)
    assert talking.blendshapes[:, talking.names.index("mouthSmileLeft")].max() > 0.5


def test_a_head_is_large_when_it_is_near(talking):
    assert torch.corrcoef(torch.stack([talking.scale, talking.t[:, 2]]))[0, 1] > 0.99


# Axes and signs


def turned(mesh, pitch=0.0, yaw=0.0, roll=0.0):
    rotation = head_rotation(torch.tensor([[pitch, yaw, roll]]))[0]
    return mesh.vertices @ rotation.T


def test_the_mesh_looks_at_the_viewer_with_its_eyes_up(mesh):
    v = mesh.vertices
    assert v[FOREHEAD, 1] > v[NOSE_TIP, 1] > v[CHIN, 1]
    assert v[:, 2].max() - v[NOSE_TIP, 2] < 0.2
    assert v[EYE_LEFT_IN_PICTURE, 0] < 0 < v[EYE_RIGHT_IN_PICTURE, 0]
    # Outer eye corners of a face are 9 cm apart: the unit is the cm.
    assert 8.5 < v[EYE_RIGHT_IN_PICTURE, 0] - v[EYE_LEFT_IN_PICTURE, 0] < 9.5


def test_triangles_of_the_mesh_face_outwards(mesh):
    a, b, c = mesh.vertices[mesh.triangles].unbind(1)
    assert mesh.triangles.shape == (898, 3)
    assert (torch.linalg.cross(b - a, c - a)[:, 2] > 0).float().mean() > 0.98


def test_positive_pitch_looks_down(mesh):
    assert turned(mesh, pitch=10.0)[NOSE_TIP, 1] < mesh.vertices[NOSE_TIP, 1] - 1


def test_positive_yaw_turns_to_the_right_of_the_picture(mesh):
    assert turned(mesh, yaw=10.0)[NOSE_TIP, 0] > mesh.vertices[NOSE_TIP, 0] + 1


def test_positive_roll_tilts_the_top_to_the_left_of_the_picture(mesh):
    assert turned(mesh, roll=10.0)[FOREHEAD, 0] < mesh.vertices[FOREHEAD, 0] - 1


def test_pitch_comes_first_and_roll_last():
    axes = [
        head_rotation(torch.tensor([row]))[0] for row in ([30.0, 0, 0], [0, 20.0, 0], [0, 0, 10.0])
    ]
    together = head_rotation(torch.tensor([[30.0, 20, 10]]))[0]
    torch.testing.assert_close(together, axes[2] @ axes[1] @ axes[0])


def test_angles_of_the_actress_turn_the_mesh_as_her_poses_do(mesh, talking):
    with np.load(TALKING_HEAD) as file:
        rotation = torch.from_numpy(file["pose"][:, :3, :3])
    expected = mesh.vertices @ rotation.mT
    torch.testing.assert_close(
        mesh.vertices @ head_rotation(talking.euler).mT, expected, atol=1e-4, rtol=0
    )
    for column, (point, axis, sign) in enumerate(
        [(NOSE_TIP, 1, -1), (NOSE_TIP, 0, 1), (FOREHEAD, 0, -1)]
    ):
        # Frames in which one angle is large and the point goes where the docstring says.
        far = talking.euler[:, column].abs() > 12
        others = talking.euler.abs().sum(1) - talking.euler[:, column].abs()
        far &= others < talking.euler[:, column].abs()
        moved = expected[far, point, axis] - mesh.vertices[point, axis]
        assert far.sum() > 5
        assert (moved * sign * talking.euler[far, column] > 0).all()


def test_heads_sink_when_they_look_down(heads, talking):
    """Necks bend: pitch and height share one sign in both files, though nothing made them."""
    pitch = torch.cat([part - part.mean() for part in split(heads.euler[:, 0], heads)])
    for angle, height in ((pitch, heads.t[:, 1]), (talking.euler[:, 0], talking.t[:, 1])):
        assert torch.corrcoef(torch.stack([angle, height]))[0, 1] < -0.7


def test_jaws_go_down_in_the_own_frame_of_a_head(heads):
    """y up in expressions too: where the lips part, the lower one and the chin go down."""
    exp = heads.exp.view(-1, 21, 3)
    upper, lower, chin = (heads.points.index(point) for point in (13, 14, CHIN))
    opening = exp[:, upper, 1] - exp[:, lower, 1]
    wide = opening > opening.quantile(0.99)
    assert exp[wide, lower, 1].mean() < -0.1
    assert exp[wide, chin, 1].mean() < -0.1


# Files


@pytest.mark.parametrize(
    ("path", "sha256"),
    [
        (SIGN_HEADS, "a0154f3ffb1dfa0fb1e1b076b667bef871a0dd885670223749385bb969a328fb"),
        (TALKING_HEAD, "4b77a468a84ddeed8aa34dc1ea766044abf81ac4e0a4475e62e54448e83ef5a8"),
        (FACE_MESH, "e72a117a2209ca9c74e82d76d6a2c4536c509e165fc65c291f8b3f6d8434edad"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_the_files_are_those_that_the_commands_made(path, sha256):
    assert hashlib.sha256(path.read_bytes()).hexdigest() == sha256


SIGNERS = {
    "euler": np.zeros((5, 3), np.float32),
    "scale": np.ones(5, np.float32),
    "t": np.zeros((5, 3), np.float32),
    "exp": np.zeros((5, 63), np.float16),
    "clip": np.array([0, 0, 0, 1, 1], np.int16),
    "language": np.array(["gsg", "ase"]),
    "word": np.array(["A", "B"]),
    "points": np.arange(21, dtype=np.int16),
}
POSE = np.eye(4, dtype=np.float32)
POSE[2, 3] = -20
ACTRESS = {
    "pose": np.tile(POSE, (3, 1, 1)),
    "blendshapes": np.zeros((3, 52), np.float32),
    "names": np.array([f"{i}" for i in range(52)]),
}
MESH = {
    "vertices": np.zeros((468, 3), np.float32),
    "triangles": np.zeros((4, 3), np.int16),
}


def write(path, arrays, **changes):
    arrays = arrays | changes
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


def test_other_files_of_the_same_form_are_read(tmp_path):
    signers = load_sign_heads(write(tmp_path / "a.npz", SIGNERS), skip=1)
    assert signers.clip.tolist() == [0, 0, 1]
    assert signers.language == ("gsg", "ase")
    assert len(load_talking_head(write(tmp_path / "b.npz", ACTRESS))) == 3
    assert len(load_face_mesh(write(tmp_path / "c.npz", MESH)).triangles) == 4


NAN = np.zeros((5, 3), np.float32)
NAN[2, 1] = np.nan


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"t": None}, "expected the arrays"),
        ({"more": np.zeros(3)}, "expected the arrays"),
        ({"exp": np.zeros((5, 60), np.float16)}, r"exp must be float16 of shape \(frames, 63\)"),
        ({"euler": np.zeros((5, 3))}, "euler must be float32 .* found float64"),
        ({"scale": np.ones((5, 1), np.float32)}, r"scale must be .*\(frames,\), found .*\(5, 1\)"),
        ({"t": np.zeros((4, 3), np.float32)}, "t has 4 frames, euler has 5"),
        ({"word": np.array(["A"])}, "word has 1 clips, language has 2"),
        ({"language": np.zeros(2)}, r"language must be text"),
        ({"euler": NAN}, r"euler must be finite, found nan at \[2, 1\]"),
        ({"scale": np.zeros(5, np.float32)}, "scale must be positive"),
        ({"clip": np.array([0, 0, 1, 0, 1], np.int16)}, "clip must count the 2 clips up from 0"),
        ({"clip": np.array([1, 1, 1, 2, 2], np.int16)}, "clip must count"),
    ],
)
def test_damaged_files_of_signers_are_refused(changes, message, tmp_path):
    with pytest.raises(ValueError, match=rf"signers\.npz: .*{message}"):
        load_sign_heads(write(tmp_path / "signers.npz", SIGNERS, **changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": ACTRESS["names"][:51]}, r"names must be text of shape \(52,\)"),
        ({"pose": 2 * ACTRESS["pose"]}, "pose must hold rotations"),
        ({"pose": -ACTRESS["pose"]}, "pose must hold rotations"),
        ({"pose": np.tile(np.eye(4, dtype=np.float32), (3, 1, 1))}, "before the camera"),
        ({"blendshapes": np.full((3, 52), 1.5, np.float32)}, r"blendshapes must be in \[0, 1\]"),
        ({"blendshapes": np.zeros((2, 52), np.float32)}, "blendshapes has 2 frames, pose has 3"),
    ],
)
def test_damaged_files_of_the_actress_are_refused(changes, message, tmp_path):
    with pytest.raises(ValueError, match=rf"actress\.npz: .*{message}"):
        load_talking_head(write(tmp_path / "actress.npz", ACTRESS, **changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vertices": np.zeros((478, 3), np.float32)}, r"vertices must be float32 .*\(468, 3\)"),
        ({"triangles": np.full((4, 3), 468, np.int16)}, "triangles must name vertices"),
        ({"triangles": np.full((4, 3), -1, np.int16)}, "triangles must name vertices"),
    ],
)
def test_damaged_meshes_are_refused(changes, message, tmp_path):
    with pytest.raises(ValueError, match=rf"mesh\.npz: .*{message}"):
        load_face_mesh(write(tmp_path / "mesh.npz", MESH, **changes))


@pytest.mark.parametrize("load", [load_sign_heads, load_talking_head, load_face_mesh])
@pytest.mark.parametrize("content", [b"", b"no arrays", None])
def test_files_of_anything_else_are_named(load, content, tmp_path):
    path = tmp_path / "some.npz"
    path.write_bytes(SIGN_HEADS.read_bytes()[:100_000] if content is None else content)
    with pytest.raises(ValueError, match=r"some\.npz: not a file of arrays"):
        load(path)


def test_pickled_objects_are_not_loaded(tmp_path):
    path = write(tmp_path / "some.npz", SIGNERS, word=np.array(["A", None], dtype=object))
    with pytest.raises(ValueError, match=r"some\.npz: not a file of arrays.*pickle"):
        load_sign_heads(path)


def test_a_missing_file_is_the_usual_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_face_mesh(tmp_path / "none.npz")
