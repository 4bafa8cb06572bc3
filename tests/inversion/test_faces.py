import numpy as np
import pytest
import torch

from lossbook.lab.inversion import faces as module
from lossbook.lab.inversion.faces import align, enlarge, load_faces, reduce, split


def test_the_faces_are_complete_and_aligned(faces):
    assert faces.pictures.shape == (400, 1, 112, 112)
    assert 0 <= faces.pictures.min() < 0.05 < 0.95 < faces.pictures.max() <= 1
    assert faces.subject.unique(return_counts=True)[1].tolist() == [10] * 40
    # ArcFace's places, within the spread of real faces.
    eyes = faces.points[:, :2].mean(0)
    assert eyes.flatten().tolist() == pytest.approx([38.3, 51.7, 73.5, 51.5], abs=2)
    level = faces.points[:, 0, 1] - faces.points[:, 1, 1]
    assert level.abs().max() < 6


def test_alignment_undoes_a_similarity():
    """A picture turned, scaled and shifted comes out as it was; so do its points."""
    goal = np.concatenate([module._TEMPLATE, [[20.0, 30.0]]])
    turn = 1.1 * np.exp(0.2j)
    moved = (goal @ [1, 1j]) * turn + (9 - 4j)
    points = np.stack([moved.real, moved.imag], -1)[None].astype(np.float32)
    middles = np.arange(200) + 0.5
    place = ((middles[None] + 1j * middles[:, None]) - (9 - 4j)) / turn
    image = 127.5 + 60 * np.sin(place.real / 9) + 60 * np.cos(place.imag / 7)
    pictures, placed = align(image.round().astype(np.uint8)[None], points)
    torch.testing.assert_close(placed[0], torch.tensor(goal).float(), atol=1e-3, rtol=0)
    at = torch.arange(112) + 0.5
    wanted = (127.5 + 60 * torch.sin(at[None] / 9) + 60 * torch.cos(at[:, None] / 7)) / 255
    inside = slice(20, 100)
    torch.testing.assert_close(
        pictures[0, 0, inside, inside], wanted[inside, inside], atol=0.006, rtol=0
    )


def test_beyond_the_photograph_its_edge_is_repeated():
    image = np.full((1, 40, 40), 200, np.uint8)
    points = module._TEMPLATE[None].astype(np.float32) / 3
    torch.testing.assert_close(align(image, points)[0], torch.full((1, 1, 112, 112), 200 / 255))


def test_sizes_and_scales_go_there_and_back(faces):
    small = reduce(faces.pictures[:3])
    assert small.shape == (3, 1, 56, 56)
    assert small.min() >= -1
    assert small.max() <= 1
    again = reduce(enlarge(small))
    # Enlarging blurs a little.
    assert (again - small).abs().mean() < 0.03
    flat = torch.full((1, 1, 56, 56), 0.5)
    torch.testing.assert_close(enlarge(flat), torch.full((1, 1, 112, 112), 0.75))


def test_nobody_is_seen_and_unseen(faces):
    held = []
    for fold in range(module.FOLDS):
        part = split(faces, fold)
        assert [len(each) for each in part] == [240, 60, 30]
        people = [set(faces.subject[each].tolist()) for each in part]
        assert people[0] == people[1]
        assert not people[0] & people[2]
        assert not set(part.training.tolist()) & set(part.seen.tolist())
        held += people[2]
    assert sorted(held) == list(range(1, 41))


@pytest.mark.parametrize("fold", [-1, 4])
def test_other_folds_are_refused(faces, fold):
    with pytest.raises(ValueError, match="fold must be from 0 to 3"):
        split(faces, fold)


def test_a_file_of_other_arrays_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FILE", tmp_path / "other.npz")
    np.savez(tmp_path / "other.npz", points=np.zeros((400, 10, 2), np.float32))
    with pytest.raises(ValueError, match=r"other\.npz: expected the arrays"):
        load_faces()
