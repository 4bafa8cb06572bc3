"""An object of a chapter in some state, without a browser: what it draws, and what it says."""

from string import Formatter

import torch
from objects import SHOWN

from lossbook.lab.page.numbered import Path
from lossbook.lab.page.objects import Text
from lossbook.lab.page.program import Program


class At:
    """A scene where its symbols have some values."""

    def __init__(self, scene, state):
        start = {symbol: state.get(symbol.name, c.value) for symbol, c in scene.controls.items()}
        self.state = {symbol.name: value for symbol, value in start.items()}
        self.scene = scene
        self.program = Program(start, scene.minima, scene.arrays, scene.recurrences)

    def value(self, formula):
        return self.program.value(formula)

    def places(self, mark):
        """Of dots and lines, and of the numbered places that are drawn."""
        if isinstance(mark, Path):
            first, last = (round(self.value(end)) for end in mark.span)
            found = self.program.places(mark.place, mark.variable, range(first, last + 1))
        else:
            found = [tuple(map(self.value, place)) for place in mark.places]
        return torch.tensor(found, dtype=torch.float64).reshape(-1, 2)

    def shown(self):
        """The moving numbers, in the order in which they stand on the page."""
        told = [(mark.template, mark.values) for mark in marks(self.scene, Text)]
        told += [sentence for sentence in self.scene.sentences if not isinstance(sentence, str)]
        formulas = [
            values[name]
            for template, values in told
            for _, name, _, _ in Formatter().parse(template)
            if name and self.program.moves(values[name])
        ]
        return [self.value(formula) for formula in formulas]


def marks(scene, kind):
    return [mark for panel in scene.panels for mark in panel.marks if isinstance(mark, kind)]


def agree(scene, state):
    at = At(scene, state)
    expected = torch.as_tensor(SHOWN[scene.name](at.state), dtype=torch.float64)
    found = torch.tensor(at.shown(), dtype=torch.float64)
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=1e-9, equal_nan=True)
    return at


def presets(scene):
    """The first state, and those of the buttons."""
    return [{}, *({s.name: v for s, v in button.sets.items()} for button in scene.buttons)]


def labelled(scene, label):
    (mark,) = (mark for panel in scene.panels for mark in panel.marks if mark.label == label)
    return mark
