"""What is said where the several numbers of a loss are taken for one."""

from typing import TYPE_CHECKING, NoReturn

from torch import Tensor


class Several:
    """The base of :class:`lossbook.LossTerms`: refuses what only one number can do, with a fix."""

    # Type checkers refuse these by themselves.
    if TYPE_CHECKING:
        __iter__ = None
    else:
        # GradScaler.scale(loss) takes what has an __iter__ for a list of tensors, and asks it.
        def __iter__(self):
            raise TypeError(
                "a LossTerms is not iterable; pass loss.total, as in scaler.scale(loss.total), or "
                "loop over loss.terms.items()"
            )

        def __float__(self):
            raise TypeError(
                "a LossTerms is more than one number; write float(loss.total), or loss.log() for "
                "all of them"
            )

        def __format__(self, spec):
            if spec:
                raise TypeError(
                    "a LossTerms is more than one number; write f'{loss.total:.4f}', or "
                    "print(loss) for its table"
                )
            return str(self)

        def item(self):
            """Refuse, as there are several."""
            raise TypeError(
                "a LossTerms is more than one number; write loss.total.item(), or loss.log() for "
                "all of them"
            )

        def __ror__(self, other):
            refuse_merge(other)

        def __add__(self, other):
            if isinstance(other, Several):
                raise TypeError(
                    "a LossTerms has no + and -, got LossTerms; merge both with d | g, or "
                    "back-propagate them apart: d.backward(), then g.backward()"
                )
            raise TypeError(
                f"a LossTerms has no + and -, got {type(other).__name__}; merge a named term with "
                f"loss | LossTerms({{'name': value}}, {{'name': 1.0}}), or add to loss.total"
            )

        __sub__ = __rsub__ = __add__

        def __radd__(self, other):
            # What sum() begins with.
            if isinstance(other, int) and other == 0:
                raise TypeError(
                    "a LossTerms has no +, and sum() adds; write sum(loss.total for loss in "
                    "losses), or merge losses of other terms: a | b"
                )
            self.__add__(other)

        def __neg__(self):
            raise TypeError("a LossTerms has no sign; write -loss.total, or -1 * loss")

        def __lt__(self, other):
            _refuse_comparison()

        __le__ = __gt__ = __ge__ = __lt__

        def __eq__(self, other):
            if isinstance(other, (int, float, Tensor)):
                _refuse_comparison()
            return NotImplemented  # one is equal to itself alone, as any object is

        __hash__ = object.__hash__

        def __len__(self):
            raise TypeError("a LossTerms has no length; count its terms with len(loss.terms)")

        def __bool__(self):
            raise TypeError(
                "a LossTerms is neither true nor false; ask whether there is one with "
                "loss is not None, or compare loss.total"
            )

        # Python asks it only for what is not there: the rest costs nothing.
        def __getattr__(self, name):
            raise AttributeError(
                f"'LossTerms' object has no attribute {name!r}{self._instead_of(name)}"
            )

        def _instead_of(self, name):
            """What to say of a name that is none of ours; nothing of those that Python asks for."""
            if name.startswith("_"):
                return ""
            if name in self._terms:
                return f"; write loss[{name!r}] for the term"
            if not hasattr(Tensor, name):
                return ""
            called = f"{name}()" if callable(getattr(Tensor, name)) else name
            return f", as it is more than one number; write loss.total.{called}"


def refuse_merge(other: object) -> NoReturn:
    """Say what ``|`` takes.

    Raises:
        TypeError: always.
    """
    raise TypeError(
        f"| merges two LossTerms, got {type(other).__name__}; "
        f"wrap it: LossTerms({{'name': value}}, {{'name': 1.0}})"
    )


def _refuse_comparison() -> NoReturn:
    raise TypeError(
        "a LossTerms is more than one number; compare its total, as in loss.total > 5, or a term, "
        "loss['name']; of NaN and infinities ask loss.total.isfinite()"
    )
