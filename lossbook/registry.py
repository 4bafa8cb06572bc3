"""One card a loss. The cards drive the tests, the benchmarks and the loss index of the book.

A chapter lists its cards as ``CARDS`` in ``lossbook/<chapter>/cards.py``; nothing else has to be
told of a new loss.
"""

import difflib
import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from lossbook.advice import spelt_alike

Inputs = dict[str, Tensor]
State = Literal["start", "chance"]


@dataclass(frozen=True)
class Normal:
    """What value is normal: of one term, before training and without knowledge, from a derivation.

    The tests draw ``inputs`` and compare the mean of the loss with both numbers.

    Attributes:
        name: of the term, as the log calls it; of a loss of one term that of the loss.
        unit: of the numbers.
        reduction: ``"mean"``, ``"sum"`` or ``"batchmean"``: over what the numbers are taken.
        given: the assumption, in a sentence, about the targets and about both answers.
        start: of an untrained network that answers as ``given`` says; None where undefined.
        chance: of an answer that knows what targets are like, and nothing of this sample: their
            mean, or the target of another sample, as ``given`` says; None where undefined.
        converged: of a recorded run, if there is one.
        inputs: from ``"start"`` or ``"chance"`` and a generator, the arguments that realise the
            assumption, by position and by name, for the card's function.
    """

    name: str
    unit: str
    reduction: str
    given: str
    start: float | None
    chance: float | None
    converged: float | None = None
    inputs: Callable[[State, torch.Generator], tuple[tuple[Any, ...], dict[str, Any]]] | None = None


@dataclass(frozen=True)
class Card:
    """What there is to know of one loss.

    Attributes:
        name: the public name.
        chapter: the folder in ``lossbook`` and the notebook in ``book``.
        summary: one line for the loss index.
        function: the loss.
        formula: ``"module:NAME"`` of the sympy expression, for the page.
        twin: ``"module:function"`` of the same formula, for the tests. It takes the inputs as
            (arrays of) sympy expressions and the hyperparameters by name. It returns the
            expression of one element for an elementwise loss, else of everything the function
            returns, summed up; for :class:`~lossbook.LossTerms` that is the total.
        kind: ``"elementwise"`` losses take ``input``, ``target``, ``weight=`` and
            ``reduction=``; ``"reduced"`` ones take inputs of any name and ``reduction=``;
            ``"scalar"`` ones return a scalar; ``"terms"`` return :class:`~lossbook.LossTerms`;
            ``"weight"`` functions return one number a sample.
        inputs: makes example tensors in float64 from a batch size and a generator.
        small: options with which the loss takes these tensors, where its defaults would need
            larger ones than a test can go through.
        differentiable: the inputs that a gradient flows to.
        hyperparameters: sets to test, the first being the defaults.
        module: the ``nn.Module`` of the same loss, if there is one.
        masked: turns example inputs into inputs of which nothing counts; the loss is then 0.
        perfect: turns example inputs into a perfect prediction, of loss 0; by default the first
            differentiable input becomes the second.
        free: inputs whose last dimension may have any size.
        apart: whether inputs need not fit each other: real and fake logits may differ in number.
        called: what the errors call an input, where that is not its name.
        factors: inputs that obey the shape rule of weights, such as confidences.
        plain: ``"module:function"`` of the loss as one would type it, to be measured against.
        public: what users import, where that is not the function.
        degree: how fast the loss grows with its inputs, 1 for linear, 2 for quadratic.
        bad: inputs or options to replace, the error expected, and a word of its message.
        units: of the inputs and the result.
        defaults: where the default hyperparameters come from.
        references: papers and sources.
        normal: what values are normal, a row for each term or assumption.
    """

    name: str
    chapter: str
    summary: str
    function: Callable[..., Any]
    formula: str
    twin: str
    kind: Literal["elementwise", "reduced", "scalar", "terms", "weight"]
    inputs: Callable[[int, torch.Generator], Inputs]
    differentiable: tuple[str, ...]
    units: str
    defaults: str
    references: tuple[str, ...]
    small: Mapping[str, Any] = field(default_factory=dict)
    hyperparameters: tuple[Mapping[str, Any], ...] = ({},)
    module: type[nn.Module] | None = None
    masked: Callable[[Inputs], Inputs] | None = None
    perfect: Callable[[Inputs], Inputs] | None = None
    free: tuple[str, ...] = ()
    apart: bool = False
    called: Mapping[str, str] = field(default_factory=dict)
    factors: tuple[str, ...] = ()
    plain: str = ""
    public: Any = None
    degree: int = 1
    bad: tuple[tuple[Mapping[str, Any], type[Exception], str], ...] = field(default=())
    normal: tuple[Normal, ...] = ()

    def symbolic(self) -> Callable[..., Any]:
        """The twin. This imports sympy."""
        twin: Callable[..., Any] = pkgutil.resolve_name(self.twin)
        return twin

    def plain_form(self) -> Callable[..., Any]:
        """The loss as one would type it; of several results, the first is the loss."""
        form: Callable[..., Any] = pkgutil.resolve_name(self.plain)
        return form

    def expression(self) -> Any:
        """The formula as a sympy expression. This imports sympy."""
        return pkgutil.resolve_name(self.formula)


def chapters() -> list[str]:
    """The names of the chapters that are installed."""
    package = importlib.import_module("lossbook")
    return sorted(
        m.name for m in pkgutil.iter_modules(package.__path__) if m.ispkg and m.name != "lab"
    )


def cards(chapter: str | None = None) -> list[Card]:
    """The cards of one chapter, or of all.

    Args:
        chapter: a name from :func:`lossbook.registry.chapters`.

    Raises:
        ValueError: for an unknown chapter.

    Example:
        >>> [card.name for card in cards("landmarks")]
        ['smooth_l1_loss', 'wing_loss', 'pose_weight', 'attribute_weight', 'pfld_loss']
    """
    known = chapters()
    if chapter is not None and chapter not in known:
        raise ValueError(f"unknown chapter {chapter!r}; there are {', '.join(known)}")
    found: list[Card] = []
    for name in known if chapter is None else [chapter]:
        found.extend(importlib.import_module(f"lossbook.{name}.cards").CARDS)
    return found


def card(name: str) -> Card:
    """The card of one loss.

    Raises:
        KeyError: for an unknown name.
    """
    by_name = {card.name: card for card in cards()}
    if name not in by_name:
        raise KeyError(f"no loss named {name!r}; there are {', '.join(by_name)}")
    return by_name[name]


def list_losses(chapter: str | None = None) -> list[str]:
    """The names of the losses, for :func:`create`.

    Args:
        chapter: a name from :func:`lossbook.registry.chapters`; by default all.

    Raises:
        ValueError: for an unknown chapter.

    Example:
        >>> list_losses("landmarks")
        ['smooth_l1_loss', 'wing_loss', 'pose_weight', 'attribute_weight', 'pfld_loss']
    """
    return [card.name for card in cards(chapter)]


def create(name: str, **options: Any) -> Callable[..., Any]:
    """Make a loss from its name, as a configuration file has it.

    Args:
        name: of the function or of the module, ``"wing_loss"`` or ``"WingLoss"``.
        options: its keyword arguments.

    Returns:
        The module of the loss. A function without a module comes with its options filled in.

    Raises:
        TypeError: for an unknown option, or one of the wrong type.
        ValueError: for an unknown name, or an option out of range.

    Example:
        >>> create("wing_loss", w=5)
        WingLoss(w=5, epsilon=2.0, reduction='batchmean')
    """
    makers: dict[str, Callable[..., Any]] = {}
    for known in cards():
        module = known.public if known.public is not None else known.module
        makers[known.name] = known.function if module is None else module
        if module is not None:
            makers[module.__name__] = module
    if name not in makers:
        every = "lossbook.list_losses() names all"
        raise ValueError(f"there is no loss {name!r}{_instead(name, list(makers), every)}")
    maker = makers[name]
    # Not the signature of the class: LossModule has a __new__ that some Pythons would look at.
    signed: Any = maker
    signed = signed.__init__ if isinstance(maker, type) else signed
    allowed = [
        parameter.name
        for parameter in inspect.signature(signed).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY or parameter.name == "weights"
    ]
    for option in options:
        if option not in allowed:
            every = f"There are {', '.join(allowed)}"
            raise TypeError(f"{name} has no option {option!r}{_instead(option, allowed, every)}")
    return maker(**options) if isinstance(maker, type) else functools.partial(maker, **options)


def _instead(name: str, known: list[str], every: str) -> str:
    """Names that are close, and where all stand; without one that is, all of them."""
    close = spelt_alike(name, known) or difflib.get_close_matches(name, known, n=3)
    if close:
        return f"; did you mean {' or '.join(close)}? {every}"
    return f"; there are {', '.join(known)}"
