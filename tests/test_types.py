"""What a call of a module looks like, and what type checkers make of it."""

import ast
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lossbook
from lossbook import registry

ROOT = Path(lossbook.__file__).parent
# Each line with what a checker must say of it; nothing where all is well.
USE = {
    "import torch": "",
    "from typing_extensions import assert_type": "",
    "from lossbook import LossTerms, hands, inversion, landmarks, motion, rank_share": "",
    "from lossbook import translation": "",
    "x, terms = torch.zeros(1, 2), LossTerms": "",
    "assert_type(landmarks.WingLoss()(x, x), torch.Tensor)": "",
    "assert_type(landmarks.SmoothL1Loss()(x, x, weight=x), torch.Tensor)": "",
    "assert_type(landmarks.PFLDLoss()(x, x, x, x, x), LossTerms)": "",
    "assert_type(hands.Keypoint2DLoss()(x, x, confidence='last'), torch.Tensor)": "",
    "assert_type(hands.ManoPriorLoss()(x), LossTerms)": "",
    "assert_type(hands.AuxiliaryLoss()(x, x, x, x), torch.Tensor)": "",
    "hand, truth = hands.HandPrediction(), hands.HandTarget()": "",
    "assert_type(hands.HandLoss()(hand, truth, weight={'2d': x}), LossTerms)": "",
    "assert_type(hands.HandLoss()({'betas': x}, {}), LossTerms)": "",
    "assert_type(truth.to(torch.float64), hands.HandTarget)": "",
    "assert_type(hand.to('cuda', torch.half, True), hands.HandPrediction)": "",
    "assert_type(truth.to(x, copy=True), hands.HandTarget)": "",
    "assert_type(hands.HandTarget.pick({'image': x}), hands.HandTarget)": "",
    "assert_type(motion.PVALoss()(x, x, weight=x), LossTerms)": "",
    "assert_type(motion.MotionLoss(use_reg_loss=True)(x, x, x), LossTerms)": "",
    "assert_type(motion.by_letter(motion.MotionLoss(weights={'V': 0.5})(x, x, x)), LossTerms)": "",
    "assert_type(rank_share(x > 0, group='world') * landmarks.WingLoss()(x, x), torch.Tensor)": "",
    "assert_type(inversion.CosineMarginLoss(mining='all')(x, x, x, weight=x), torch.Tensor)": "",
    "assert_type(inversion.InversionLoss()(x, x, x, x), LossTerms)": "",
    "assert_type(inversion.InversionLoss.preset('A', total=9)(x, x, x, x, x), LossTerms)": "",
    "assert_type(inversion.UncertaintyWeights(('a', 'b'))({'a': x, 'b': x}), LossTerms)": "",
    "assert_type(inversion.staged_schedule(50, 100), float)": "",
    "assert_type(inversion.sigmoid_schedule(x, 1), torch.Tensor)": "",
    "inversion.InversionLoss(lambda_schedule=inversion.LambdaSchedule('linear', 9))": "",
    "assert_type(inversion.InversionLoss.preset('C', total=9).step(2), float)": "",
    "landmarks.PFLDLoss()(x, x, x, x, x).weighted": "weighted",
    "landmarks.PFLDLoss()(x, x, x, x, x).mean()": "mean",
    "assert_type(translation.DHingeLoss()(x, x), torch.Tensor)": "",
    "assert_type(translation.DiversityLoss(margin=1.5)(x, x, weight=x), torch.Tensor)": "",
    "four = translation.Networks(landmarks.WingLoss(), torch.mul, torch.mul, torch.mul)": "",
    "batch = translation.TranslationBatch(x, x, x, x, x, x).to('cuda')": "",
    "assert_type(translation.DiscriminatorLoss()(four, batch, step=1), LossTerms)": "",
    "assert_type(translation.GeneratorLoss(w_id=1)(four, batch, epoch=1), LossTerms)": "",
    "assert_type(translation.GeneratorLoss()(four, {'content': x}, epoch=1), LossTerms)": "",
    "translation.GeneratorLoss()(four, batch)": "epoch",
    "translation.DiscriminatorLoss()(four, batch, 1)": "positional",
    "translation.DiversityLoss(margin_of='pair')": "Literal",
    "torch.optim.Adam([x], **translation.lazy_adam(0.002, interval=16))": "",
    "inversion.InfoNCELoss()(x, x)": "negatives",
    "inversion.CosineMarginLoss(mining='easy')": "Literal",
    "motion.MotionLoss(weights=0.5)": "float",
    "motion.MotionLoss(weights=dict[str, float](V=0.5))": "",
    "motion.MotionLoss().weights['V'] = 0.1": "",
    "schedule: dict[motion.Letter, float] = {'V': 1}": "",
    "motion.MotionLoss(weights=schedule, reduction='batchmean')": "",
    "motion.PVALoss(reduction='none')": "Literal",
    "assert_type(motion.PVALoss()(x, x, lengths=x), LossTerms)": "",
    "assert_type(motion.rank_shares(x)['exp_P'] * x, torch.Tensor)": "",
    "assert_type(hands.rank_shares({'betas': x}, {}, reduction='mean')['2d'], torch.Tensor)": "",
    "shares = motion.MotionLoss().rank_shares(x, lengths=x)": "",
    "assert_type(motion.MotionLoss()(x, x).rescaled(shares).total, torch.Tensor)": "",
    "assert_type(hands.HandLoss().rank_shares(hand, truth), dict[str, torch.Tensor])": "",
    "hands.HandLoss()(hand, truth).prefixed('a/').rescaled({'a/2d': 1})": "",
    "motion.MotionLoss().rank_shares(x, reduction='sum')": "reduction",
    "motion.pva_loss(x, x, parts={'all': motion.Part(0, 2)})": "",
    "motion.MotionLoss(parts={'all': (0, 2, 1.0)})": "",
    "motion.MotionLoss(parts=motion.load_parts('parts.json'))": "",
    "assert_type(motion.motion_metrics(x, x).jitter, torch.Tensor)": "",
    "motion.MotionLoss()(x)": "target",
    "truth.to(3.0)": "overload",
    "landmarks.WingLoss()(x, 3)": "int|Literal",
    "landmarks.WingLoss()(x)": "target",
    "landmarks.WingLoss()(x, x, wait=x)": "wait",
    "hands.VertexLoss()(x, x, x)": "positional",
    "hands.Keypoint3DLoss()(x, x, confidence=2)": "Literal",
    "hands.RotationLoss()(x, x).total": "total",
    "hands.HandLoss()(hand, hand)": "HandTarget",
}  # fmt: skip


def complaints_of_mypy(file):
    pytest.importorskip("mypy")
    options = ["--strict", "--hide-error-context", "--no-error-summary", "--no-pretty"]
    done = subprocess.run(
        # With the cache of `make lint`, which torch's types fill.
        [sys.executable, "-m", "mypy", *options, file],
        capture_output=True,
        text=True,
        cwd=ROOT.parent,
        timeout=600,
        check=False,
    )
    return [re.match(rf".*{file.name}:(\d+): error: (.*)$", x) for x in done.stdout.splitlines()]


def complaints_of_pyright(file):
    pytest.importorskip("basedpyright")
    # The same checker, in a wheel that brings its own node.
    checker = [sys.executable, "-m", "basedpyright", "--outputjson"]
    done = subprocess.run(
        [*checker, "--pythonpath", sys.executable, file],
        capture_output=True,
        text=True,
        cwd=ROOT.parent,
        timeout=600,
        check=False,
    )
    said = [
        f"{found['range']['start']['line'] + 1}: {found['message']}".replace("\n", " ")
        for found in json.loads(done.stdout)["generalDiagnostics"]
        if found["severity"] == "error"
    ]
    return [re.match(r"(\d+): (.*)$", line) for line in said]


@pytest.mark.parametrize("checker", [complaints_of_mypy, complaints_of_pyright])
@pytest.mark.own_errors
def test_a_call_of_a_module_has_types(checker, tmp_path):
    file = tmp_path / "use.py"
    file.write_text("\n".join(USE))
    said = {}
    for match in checker(file):
        if match:
            said.setdefault(int(match[1]), match[2])
    for number, (line, expected) in enumerate(USE.items(), 1):
        if expected:
            assert re.search(expected, said.get(number, "")), line
        else:
            assert number not in said, f"{line}: {said[number]}"


def test_a_call_has_the_types_of_forward_without_a_second_signature():
    # An assignment, `__call__ = forward`, is Any for pyright, as torch declares its own.
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Assign):
                assert "__call__" not in map(ast.unparse, node.targets), path


def test_every_module_is_one_of_ours():
    for card in registry.cards():
        if card.module:
            assert issubclass(card.module, lossbook.modules.LossModule)
            assert "__call__" not in vars(card.module)


@pytest.mark.parametrize(
    "card",
    [card for card in registry.cards() if card.public is None and card.module],
    ids=lambda card: card.name,
)
def test_a_module_takes_by_position_what_its_function_does(card):
    options = set(inspect.signature(card.module).parameters)
    of_function = inspect.signature(card.function).parameters
    of_forward = list(inspect.signature(card.module.forward).parameters.values())[1:]
    assert {p.name: (p.kind, p.default) for p in of_forward} == {
        name: (p.kind, p.default) for name, p in of_function.items() if name not in options
    }
