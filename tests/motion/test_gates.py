"""What the motion losses say of a call that was meant otherwise: what, what came, and the fix."""

import json

import pytest
import torch

import lossbook
from lossbook.motion import (
    DITTO_PARTS,
    LastFrameLoss,
    MotionL1,
    MotionLoss,
    Part,
    PVALoss,
    by_letter,
    last_frame_loss,
    load_parts,
    motion_l1,
    motion_metrics,
    pva_loss,
)

pytestmark = pytest.mark.own_errors

MOTION = torch.randn(8, 20, 265, generator=torch.Generator().manual_seed(0)).cumsum(1)
FRAME = MOTION[:, 0] + 1
TIME_FIRST = MOTION.transpose(0, 1)
SEEN = torch.ones(8, 20, dtype=torch.bool)
BY_PART = {name: MOTION[..., part.start : part.stop] for name, part in DITTO_PARTS.items()}


def test_clips_with_time_first_are_told_by_the_frame_and_by_the_mask():
    for call in (
        lambda: last_frame_loss(TIME_FIRST, FRAME),
        lambda: MotionLoss()(TIME_FIRST, TIME_FIRST, FRAME),
    ):
        with pytest.raises(
            ValueError,
            match=r"input \(20, 8, 265\), cond_frame \(8, 265\); it looks like \(T, B, D\), pass "
            r"input.transpose\(0, 1\)",
        ):
            call()
    last_frame_loss(TIME_FIRST.transpose(0, 1), FRAME)
    for weight in (SEEN, SEEN.float()[..., None]):
        with pytest.raises(ValueError, match=r"if the clips are \(T, B, D\), transpose input and"):
            pva_loss(TIME_FIRST, TIME_FIRST, weight=weight)


def test_dictionaries_of_parts_are_joined():
    for given, name in (
        ((BY_PART, MOTION, FRAME), "input"),
        ((MOTION, BY_PART, FRAME), "target"),
        ((MOTION, MOTION, BY_PART), "cond_frame"),
    ):
        with pytest.raises(
            TypeError, match=f"{name} must be one torch.Tensor of all parts"
        ) as said:
            MotionLoss()(*given)
        code = str(said.value).partition("join them with ")[2]
        assert torch.equal(eval(code, {"torch": torch, name: BY_PART}), MOTION)
    with pytest.raises(TypeError, match="with the keys motion; pass one of its values"):
        pva_loss({"motion": MOTION}, MOTION)
    with pytest.raises(
        TypeError, match=r"go to MotionLoss\(weights=...\), those of parts to parts="
    ):
        pva_loss(MOTION, MOTION, weight={"V": 0.5})
    for other in ({"exp_P": torch.tensor(1.0)}, 3.0):
        with pytest.raises(TypeError, match="loss must be the LossTerms .* got (dict|float)"):
            by_letter(other)


def test_one_more_tensor_by_position_is_told_where_it_belongs():
    for call, fix in (
        (lambda: pva_loss(MOTION, MOTION, FRAME), "the frame before each clip goes to MotionLoss"),
        (lambda: PVALoss()(MOTION, MOTION, FRAME), "or to last_frame_loss"),
        (lambda: last_frame_loss(MOTION, FRAME, MOTION), "a target alone to pva_loss"),
        (lambda: LastFrameLoss()(MOTION, FRAME, MOTION), "together go to MotionLoss"),
        (lambda: motion_l1(MOTION, MOTION), "a target goes to pva_loss"),
        (lambda: MotionL1()(MOTION, MOTION), "a target goes to pva_loss"),
    ):
        with pytest.raises(TypeError, match=rf"by position, .*pass a mask or weight as .*{fix}"):
            call()


def test_some_of_the_parts_are_told_how_the_others_are_left_out():
    exp = DITTO_PARTS["exp"]
    with pytest.raises(
        ValueError,
        match=r"add Part\(0, 202, weight=0.0\) under a name .*; of clips that were cut "
        r"to these parts, count from 0",
    ):
        pva_loss(MOTION, MOTION, parts={"exp": exp})
    pva_loss(MOTION, MOTION, parts={"exp": exp, "rest": Part(0, 202, weight=0.0)})
    for names in (["exp"], ("exp", "yaw"), "exp"):
        with pytest.raises(
            TypeError, match="got .*; to leave some of Ditto's out give those the w"
        ):
            pva_loss(MOTION, MOTION, parts=names)


def test_parts_that_are_no_mapping_are_given_names():
    for parts, fix in (
        ((Part(0, 1), Part(1, 265)), r"give each a name, as in \{'exp': Part\(202, 265\)\}"),
        ([(0, 265, 1.0)], "give each a name"),
        (Part(0, 265), "give each a name"),
        ([("all", Part(0, 265))], r"of pairs pass dict\(parts\)"),
        ("parts.json", r"of a file pass load_parts\(path\)"),
    ):
        with pytest.raises(TypeError, match=f"parts must be a mapping .*, got .*; {fix}"):
            pva_loss(MOTION, MOTION, parts=parts)
    pva_loss(MOTION, MOTION, parts={"all": Part(0, 265)})
    with pytest.raises(TypeError, match=r"got \(0, 265\); for a weight of 1 pass Part\(0, 265\)"):
        pva_loss(MOTION, MOTION, parts={"all": (0, 265)})


@pytest.mark.parametrize("name", ["EXP", "Exp"])
def test_another_case_is_the_same_name(name, tmp_path):
    path = tmp_path / "parts.json"
    path.write_text(json.dumps({name: [202, 265, 0.5]}))
    with pytest.raises(ValueError, match=f"names '{name}', which is no part; did you mean 'exp'"):
        load_parts(path)
    with pytest.raises(ValueError, match=f"only names '{name}', which is no part; did you mean"):
        last_frame_loss(MOTION, FRAME, only=name)
    with pytest.raises(ValueError, match="weights names 'v', which is no letter; did you mean 'V'"):
        MotionLoss(weights={"v": 0.5})


# The frame before the clip ----------------------------------------------------------------------


def test_a_whole_clip_in_the_place_of_the_frame_is_not_sent_to_its_first_one():
    with pytest.raises(ValueError, match="the one frame before each clip, no frame of target") as e:
        MotionLoss()(MOTION, MOTION, MOTION)
    assert "target[:, 0]" not in str(e.value)
    with pytest.raises(ValueError, match=r"got \(8, 1, 265\); pass cond_frame\[:, 0\]"):
        MotionLoss()(MOTION, MOTION, FRAME[:, None])
    with pytest.raises(ValueError, match="pass the frame before each clip"):
        MotionLoss()(MOTION, MOTION)


def test_the_first_frame_of_the_target_in_its_place_is_noticed():
    values, first = torch.zeros_like(MOTION), MOTION[:, 0]
    resting = torch.cat([0 * MOTION[:, :1], MOTION[:, 1:]], 1)
    with lossbook.check_values():
        for call in (
            lambda frame: MotionLoss()(values, MOTION, frame),
            lambda frame: motion_metrics(values, MOTION, cond_frame=frame),
        ):
            with pytest.warns(
                UserWarning, match=r"equals target\[:, 0\], and is to be the frame b"
            ):
                call(first)
            call(FRAME)
        # At rest they agree.
        motion_metrics(values, resting, cond_frame=resting[:, 0])
