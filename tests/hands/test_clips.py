import numpy as np
import pytest
import torch

from lossbook.lab.hands.clips import FILE, Hands, load_hands, split_by_clip, split_by_language
from lossbook.lab.hands.kinematics import BONES


@pytest.fixture(scope="module")
def hands():
    return load_hands()


def view(keypoints):
    """Turn to the right of upright in degrees, and whether the back of the hand is seen."""
    index, middle, pinky = (keypoints[:, k] - keypoints[:, 0] for k in (5, 9, 17))
    turn = torch.rad2deg(torch.atan2(middle[:, 0], -middle[:, 1]))
    return turn, index[:, 0] * pinky[:, 1] - index[:, 1] * pinky[:, 0] > 0


def test_the_hands_are_complete_and_typed(hands):
    assert len(hands) == len(hands.language) == len(hands.letter) == 6643
    assert hands.keypoints.shape == (6643, 21, 2)
    assert hands.keypoints.dtype == torch.float32
    assert len(hands.clip.unique()) == 553
    assert len(set(hands.language)) == 18
    by_clip = {}
    for clip, language, letter in zip(
        hands.clip.tolist(), hands.language, hands.letter, strict=True
    ):
        assert by_clip.setdefault(clip, (language, letter)) == (language, letter)
    assert FILE.stat().st_size < 700_000


def test_the_hands_fill_their_crops(hands):
    size = hands.keypoints.amax(1) - hands.keypoints.amin(1)
    torch.testing.assert_close(size.amax(1), torch.full((6643,), 0.8), atol=1e-3, rtol=0)


def test_they_are_right_hands_in_keypoint_order(hands):
    """Upright palms have their thumb to the right; fingers are in the order of the table."""
    turn, back = view(hands.keypoints)
    palms = hands.keypoints[(turn.abs() < 30) & ~back].mean(0)
    assert palms[4, 0] > palms[5, 0] > palms[9, 0] > palms[13, 0] > palms[17, 0]
    parents, children = zip(*BONES, strict=True)
    bones = (hands.keypoints[:, children] - hands.keypoints[:, parents]).norm(dim=-1)
    longest = bones.quantile(0.95, dim=0).view(5, 4)
    assert (longest[1:, 0] > longest[1:, 1]).all()
    assert (longest[1:, 1] > longest[1:, 2:].amax(1)).all()


def write(path, **changes):
    arrays = {
        "keypoints": np.zeros((4, 21, 2), np.float16),
        "clip": np.array([1, 1, 2, 5], np.int16),
        "language": np.array(["gsg"] * 4),
        "letter": np.array(list("AABC")),
    } | changes
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


def test_a_file_of_hands_is_read(tmp_path):
    found = load_hands(write(tmp_path / "hands.npz"))
    assert found.clip.tolist() == [1, 1, 2, 5]
    assert found.clip.dtype == torch.int64
    assert found.letter == ("A", "A", "B", "C")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clip": None}, "expected the arrays"),
        ({"more": np.zeros(3)}, "expected the arrays"),
        (
            {"keypoints": np.zeros((4, 20, 2), np.float16)},
            r"keypoints must be float16 of shape \(4",
        ),
        ({"keypoints": np.zeros((4, 21, 2))}, "found float64"),
        ({"language": np.array(["gsg"] * 3)}, r"language must be text of shape \(4,\)"),
        ({"letter": np.zeros(4, np.int16)}, "letter must be text"),
        ({"clip": np.array([1, 1, 5, 2], np.int16)}, "sorted by clip"),
        ({"keypoints": np.full((4, 21, 2), np.nan, np.float16)}, "4 hands .* first is hand 0"),
    ],
)
def test_other_files_are_refused(changes, message, tmp_path):
    with pytest.raises(ValueError, match=rf"hands\.npz: .*{message}"):
        load_hands(write(tmp_path / "hands.npz", **changes))


def test_a_hand_outside_of_its_crop_is_named(tmp_path):
    keypoints = np.zeros((4, 21, 2), np.float16)
    keypoints[2, 3, 1] = -0.6
    with pytest.raises(ValueError, match="1 hands .* first is hand 2"):
        load_hands(write(tmp_path / "hands.npz", keypoints=keypoints))


def test_no_clip_is_in_both_parts_and_each_hand_is_tested_once(hands):
    tested = []
    for fold in range(5):
        train, test = split_by_clip(hands, fold)
        assert not set(hands.clip[train].tolist()) & set(hands.clip[test].tolist())
        assert len(train) + len(test) == len(hands)
        assert 1100 < len(test) < 1550
        tested += test.tolist()
    assert sorted(tested) == list(range(len(hands)))


def test_a_split_depends_on_its_seed_alone(hands):
    torch.manual_seed(1)
    first = split_by_clip(hands, 2)
    torch.manual_seed(2)
    assert all(map(torch.equal, first, split_by_clip(hands, 2)))
    assert not torch.equal(first[1], split_by_clip(hands, 2, seed=1)[1])


@pytest.mark.parametrize(("fold", "folds"), [(5, 5), (-1, 5), (0, 1), (0, 4)])
def test_splits_that_do_not_exist_are_refused(fold, folds):
    three = Hands(torch.zeros(3, 21, 2), torch.arange(3), ("a",) * 3, ("A",) * 3)
    with pytest.raises(ValueError, match="fold"):
        split_by_clip(three, fold, folds=folds)


def test_each_language_is_held_out_once(hands):
    names = np.array(hands.language)
    held_out = []
    for fold in range(5):
        training, test = split_by_language(hands, fold)
        assert not set(names[training]) & set(names[test])
        assert len(training) + len(test) == len(hands)
        held_out += sorted(set(names[test]))
    assert sorted(held_out) == sorted(set(names))
    assert len(held_out) == 18
    with pytest.raises(ValueError, match="fold 0 of 19 does not exist with 18 languages"):
        split_by_language(hands, 0, folds=19)
