"""From noise to motion, call by call, and the object that shows it."""

import pytest
import torch
from objects import SHOWN
from sympy import sympify

from lossbook.lab.motion.calls import first_answer, watch
from lossbook.lab.motion.model import ARMS, SETTINGS, generate, train
from lossbook.lab.motion.scenes import many_noises, ten_calls
from lossbook.lab.motion.windows import Windows, clip_windows
from lossbook.lab.page.formulas import evaluate
from lossbook.lab.run.devices import threads

QUICK = SETTINGS.replace(steps=3, batch_size=8, channels=16)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with threads(1):
        yield


@pytest.fixture(scope="module")
def few(heads, parts, norm):
    return Windows(
        *(values[:4] for values in clip_windows(heads, parts[0][::6].contiguous(), norm))
    )


@pytest.fixture(scope="module")
def model(heads, parts, norm):
    windows = clip_windows(heads, parts[0][::6].contiguous(), norm)
    return train(ARMS["P"], windows, settings=QUICK, progress=False)[0]


@pytest.mark.parametrize("calls", [1, 3])
def test_watching_changes_nothing_and_ends_with_what_is_generated(model, few, calls):
    seen = watch(model, few, seed=2, calls=calls)
    assert len(seen) == calls
    torch.testing.assert_close(seen[-1].answer, generate(model, few, seed=2, calls=calls))
    noise = torch.randn(few.motion.shape, generator=torch.Generator().manual_seed(2))
    assert torch.equal(seen[0].given, noise)
    assert len(watch(model, few, calls=1)) == 1  # nothing is left of the first look


def test_the_first_answer_is_that_of_one_call(model, few):
    noise = torch.randn(few.motion.shape, generator=torch.Generator().manual_seed(2))
    found = first_answer(model.train(), few, noise)
    torch.testing.assert_close(found, generate(model, few, seed=2, calls=1))
    assert model.training and not found.requires_grad
    assert not torch.equal(first_answer(model, few, torch.zeros_like(noise)), found)


def test_each_panel_shows_what_its_network_gets_and_answers(generator):
    given, answer = torch.randn(2, 2, 10, 5, generator=generator, dtype=torch.float64)
    paths = {
        arm: list(zip(given[i], answer[i], strict=True)) for i, arm in enumerate(("P", "P+V+A"))
    }
    truth = torch.arange(5.0).double()
    scene = ten_calls(paths, truth, span=(-4, 4))
    (symbol,) = scene.controls
    numbers = torch.arange(1.0, 11.0).double()

    def values(formula):
        return torch.as_tensor(evaluate(sympify(formula), [symbol], scene.arrays)(numbers.numpy()))

    for number, panel in enumerate(scene.panels):
        for mark, expected in zip(panel.marks, (given, None, answer, answer), strict=True):
            heights = torch.stack([values(height) for _, height in mark.places], 1)
            wanted = truth.expand(10, -1) if expected is None else expected[number]
            torch.testing.assert_close(heights, wanted, atol=6e-4, rtol=0)
    ((_, said),) = scene.sentences
    found = torch.stack([values(formula) for formula in said.values()], 1)
    wanted = [SHOWN["calls"]({"call": call}) for call in range(1, 11)]
    torch.testing.assert_close(found, torch.tensor(wanted, dtype=torch.float64))


def test_the_mean_of_the_answers_is_drawn_after_each_noise(generator):
    answers = torch.randn(16, 5, generator=generator, dtype=torch.float64)
    zeros, truth = torch.randn(2, 5, generator=generator, dtype=torch.float64)
    scene = many_noises(answers, zeros, truth, arm="P", span=(-4, 4))
    (symbol,) = scene.controls
    for many in (1, 2, 7, 16):
        found = [
            torch.tensor(
                [
                    float(evaluate(sympify(height), [symbol], scene.arrays)(many))
                    for _, height in mark.places
                ]
            ).double()
            for mark in scene.panels[0].marks
        ]
        mean = answers[:many].mean(0)
        # One line for each answer; those that are not there yet lie on the newest.
        faint = [answers[min(nth, many - 1)] for nth in range(16)]
        wanted_ = (*faint, truth, answers[many - 1], zeros, mean, mean)
        for drawn, wanted in zip(found, wanted_, strict=True):
            torch.testing.assert_close(drawn, wanted, atol=6e-4, rtol=0)
    ((_, said),) = scene.sentences
    found = [float(sympify(formula).subs(symbol, 4)) for formula in said.values()]
    assert found == SHOWN["noises"]({"noises": 4}) == [4, 0.5]
