"""What an object to move shows in a state, computed without a browser."""

from functools import cache
from string import Formatter

import sympy as sp
import torch
from objects_inversion import SHOWN

from lossbook.lab.page.formulas import derivative, evaluate
from lossbook.lab.page.objects import Text
from lossbook.lab.page.pieces import pieces
from lossbook.lab.page.strokes import minimum


def movable(scene, state):
    """What the scene has of a state."""
    return {n: v for n, v in state.items() if n in {s.name for s in scene.controls}}


@cache
def function(formula, symbols):
    return evaluate(formula, symbols)


def state_of(scene, state):
    """The values of all symbols by symbol, minima among them."""
    known = {symbol: state.get(symbol.name, c.value) for symbol, c in scene.controls.items()}
    for symbol, least in scene.minima.items():
        known[symbol] = place_of(least, known)
    return known


def place_of(least, known):
    """Where a formula is least, found as the first picture finds it."""
    made = []
    for whole in minimized(least.expr, least.variable, tuple(known)):
        numbers = tuple(known.values())
        made.append(lambda x, m, whole=whole, numbers=numbers: float(whole(x, m, *numbers)))
    return minimum(*made, [], (least.start, least.stop))


@cache
def minimized(formula, variable, symbols):
    parts = [pieces(one, variable) for one in (formula, derivative(formula, variable))]
    return [function(part.formula, (part.variable, part.inside, *symbols)) for part in parts]


def value(scene, formula, state):
    """A formula of a scene where its symbols have these values."""
    return values_of(scene, [formula], state)[0]


def values_of(scene, formulas, state):
    known = state_of(scene, state)
    if scene.arrays:
        made = [evaluate(sp.sympify(f), tuple(known), arrays=scene.arrays) for f in formulas]
    else:
        made = [function(sp.sympify(f), tuple(known)) for f in formulas]
    return [float(one(*known.values())) for one in made]


def shown(scene, state):
    """The moving numbers of a scene, in the order in which they stand on the page."""
    told = [(mark.template, mark.values) for mark in marks(scene, Text)]
    told += [sentence for sentence in scene.sentences if not isinstance(sentence, str)]
    live = {*scene.controls, *scene.minima}
    formulas = [
        values[name]
        for template, values in told
        for _, name, _, _ in Formatter().parse(template)
        if name and live & sp.sympify(values[name]).free_symbols
    ]
    return values_of(scene, formulas, state)


def marks(scene, kind):
    return [mark for panel in scene.panels for mark in panel.marks if isinstance(mark, kind)]


def places(scene, mark, state):
    numbers = values_of(scene, [along for place in mark.places for along in place], state)
    return torch.tensor(numbers, dtype=torch.float64).reshape(-1, 2)


def agree(scene, state):
    full = {symbol.name: control.value for symbol, control in scene.controls.items()} | state
    expected = torch.as_tensor(SHOWN[scene.name](full), dtype=torch.float64)
    found = torch.tensor(shown(scene, state), dtype=torch.float64)
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=1e-9)


def presets(scene):
    """The first state, and those of the buttons."""
    return [{}, *({s.name: v for s, v in button.sets.items()} for button in scene.buttons)]
