"""The objects that show versions of a clip: what they draw is what was chosen."""

import dataclasses

import numpy as np
import pytest
import torch
from objects import SHOWN
from sympy import sympify

from lossbook.lab.motion.clips import load_face_mesh, load_talking_head
from lossbook.lab.motion.heads import outline
from lossbook.lab.motion.model import smoothed
from lossbook.lab.motion.versions import Versions, by_loss, smoother
from lossbook.lab.page.formulas import evaluate
from lossbook.lab.page.objects import Clip, Dots, Line, Text
from lossbook.lab.run.devices import threads

MIDDLES = (22, 10, 6, 4, 2)
JERK = {"P": 1.7, "P+V": 1.1, "P+V+A": 0.9, "22": 1.5, "10": 1.25, "6": 1.0, "4": 0.8, "2": 0.4}
FRAMES = 12


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with threads(1):
        yield


@pytest.fixture(scope="module")
def euler():
    """A clip as it is, and smoothed with each n."""
    clip = load_talking_head().euler[None, 100 : 100 + FRAMES]
    return torch.cat([clip, *(smoothed(clip, middle) for middle in MIDDLES)])


@pytest.fixture(scope="module")
def clip(euler):
    mesh = load_face_mesh()
    faces = np.stack([outline(version, mesh) for version in euler])
    truth = (euler[0, :, 1], outline(euler[0], mesh))
    return Versions(euler[..., 1], faces, truth, span=(-20, 20), fps=25, slow=3)


@pytest.fixture(scope="module")
def scene(clip):
    return smoother(MIDDLES, clip, JERK)


def value(scene, formula, much, frame=1):
    return float(evaluate(sympify(formula), list(scene.controls), scene.arrays)(much, frame))


@pytest.mark.parametrize("much", range(len(MIDDLES) + 1))
def test_the_curve_the_head_and_the_ring_are_those_of_the_chosen_n(scene, euler, much):
    drawn = [mark for mark in scene.panels[2].marks if isinstance(mark, Line)][-1]
    heights = torch.tensor([value(scene, y, much) for _, y in drawn.places]).double()
    torch.testing.assert_close(heights, euler[much, :, 1].double(), atol=6e-4, rtol=0)
    _, head = (mark for mark in scene.panels[1].marks if isinstance(mark, Clip))
    mesh = load_face_mesh()
    for frame in (1, 5, FRAMES):
        place = round(value(scene, head.frame, much, frame))
        assert np.array_equal(head.table[place - 1], outline(euler[much], mesh)[frame - 1])
    ring = [mark for mark in scene.panels[0].marks if isinstance(mark, Dots)][-1]
    ((across, up),) = ring.places
    name = str(MIDDLES[much - 1]) if much else "P"
    assert ring.hollow and value(scene, across, much) == pytest.approx(JERK[name])
    assert value(scene, up, much) == (0 if much else 1)
    ((_, said),) = scene.sentences
    found = [value(scene, formula, much) for formula in said.values()]
    assert found == pytest.approx([float(v) for v in SHOWN["smoother"]({"which": much})])


def test_every_dot_has_its_name_and_each_n_can_be_chosen(scene):
    names = {mark.template for mark in scene.panels[0].marks if isinstance(mark, Text)}
    assert names == {"real", *JERK}
    much = next(iter(scene.controls.values()))
    assert (much.at, *much.options) == (0, "not smoothed", *map(str, MIDDLES))


def test_the_head_of_each_loss_is_drawn_and_its_jerk_is_said(euler, clip):
    arms, jerk = ("P", "V", "A", "P+V", "P+V+A", "P+L"), (1.7, 0.9, 0.8, 1.1, 0.9, 1.5)
    scene = by_loss(arms, clip, jerk)
    which, frame = scene.controls.values()
    assert which.options == arms and (frame.start, frame.stop) == (1, FRAMES)
    for chosen, wanted in enumerate(jerk):
        drawn = [mark for mark in scene.panels[1].marks if isinstance(mark, Line)][-1]
        heights = torch.tensor([value(scene, y, chosen) for _, y in drawn.places]).double()
        torch.testing.assert_close(heights, euler[chosen, :, 1].double(), atol=6e-4, rtol=0)
        ((_, said),) = scene.sentences
        (found,) = (value(scene, formula, chosen) for formula in said.values())
        assert found == pytest.approx(wanted)


def test_each_version_needs_its_clip(euler, clip):
    fewer = dataclasses.replace(clip, yaw=clip.yaw[1:], faces=clip.faces[1:])
    with pytest.raises(ValueError, match="5 n's need 6 clips, got 5"):
        smoother(MIDDLES, fewer, JERK)
    with pytest.raises(ValueError, match="6 losses, 6 jerks and 5 clips"):
        by_loss("abcdef", fewer, [1.0] * 6)
    with pytest.raises(ValueError, match=r"same versions and frames, got \(6, 12\) and \(5, 12\)"):
        dataclasses.replace(clip, faces=clip.faces[1:])
