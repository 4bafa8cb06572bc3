"""The one place where inputs are checked.

Checks of shapes, dtypes and Python numbers are always on: they read no tensor values, so they
never wait for a GPU. Checks of values are opt-in, inside :func:`check_values`.
"""

import math
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from lossbook.advice import instead_of_integers, instead_of_weight, to_one_shape

_checking_values = 0


@contextmanager
def check_values() -> Iterator[None]:
    """Make every loss also look at the numbers, and explain what is wrong with them.

    Raises inside the block a ``ValueError`` for values that cannot be meant (NaN, infinities,
    angles in degrees where radians are expected, confidences outside of 0 to 1, matrices that are
    no rotations) and warns with a ``UserWarning`` of values that are legal but hardly meant. Each
    check waits for the device, so this is for finding a fault, not for every step. It holds for
    the whole process. Inside ``torch.compile`` and ``torch.func`` transforms values cannot be
    read; a compiled loss warns of that when it is traced inside the block.
    Degrees are noticed by an angle beyond a full turn of 6.28; smaller ones pass for radians.

    Example:
        >>> import torch, lossbook
        >>> from lossbook.landmarks import wing_loss
        >>> with lossbook.check_values():  # doctest: +ELLIPSIS
        ...     wing_loss(torch.tensor([[float("nan")]]), torch.zeros(1, 1))
        Traceback (most recent call last):
            ...
        ValueError: input holds 1 NaN or infinite value of 1, ...; mask what is missing with weight=
    """
    global _checking_values
    _checking_values += 1
    try:
        yield
    finally:
        _checking_values -= 1


def checking_values(*tensors: Tensor | None) -> bool:
    """Whether the values of these tensors can and should be looked at; None is passed over."""
    if _checking_values == 0:
        return False
    if torch.compiler.is_compiling():
        _say_that_compiled_code_is_not_looked_at()
        return False
    return not any(_holds_no_values(tensor) for tensor in tensors if tensor is not None)


def readable(*tensors: Tensor) -> bool:
    """Whether a value may be read at once: ordinary CPU tensors, outside of any tracing."""
    if torch.compiler.is_compiling() or torch._C._len_torch_dispatch_stack():
        return False
    # Neither all() nor a generator: this runs in every call.
    for tensor in tensors:
        if not tensor.is_cpu or _is_fake(tensor) or _is_wrapped(tensor):
            return False
    return True


def traced(*tensors: Tensor) -> bool:
    """Whether torch compiles or transforms what is done to these tensors, and has to see all."""
    if torch.compiler.is_compiling():
        return True
    for tensor in tensors:  # noqa: SIM110 (as in readable)
        if _is_wrapped(tensor) or _is_fake(tensor):
            return True
    return False


# Of torch.func's transforms.
_is_wrapped: Callable[[Tensor], bool] = torch._C._functorch.is_functorch_wrapped_tensor


def _is_fake(tensor: Tensor) -> bool:
    if type(tensor) is Tensor:
        return False
    # While its module is not loaded, which takes as long as all of lossbook, none can exist.
    module = sys.modules.get("torch._subclasses.fake_tensor")
    return module is not None and isinstance(tensor, module.FakeTensor)


def _holds_no_values(tensor: Tensor) -> bool:
    return tensor.is_meta or _is_fake(tensor) or _is_wrapped(tensor)


def _say_that_compiled_code_is_not_looked_at() -> None:
    """Runs while the compiler traces, which it does anew inside the block."""
    warn(
        "check_values() cannot look into compiled code: call the loss itself, not its compiled "
        "form, or set torch.compiler.set_stance('force_eager') for this block"
    )


# What torch.compiler.assume_constant_result sets. Its import would double that of torch.
_say_that_compiled_code_is_not_looked_at._dynamo_marked_constant = True  # type: ignore[attr-defined]


def pair(input: Any, target: Any, names: tuple[str, str] = ("input", "target")) -> torch.dtype:
    """Check two floating-point tensors of one shape on one device.

    Args:
        input: the first.
        target: the second.
        names: what the errors call them.

    Returns:
        The dtype of a result in their shape; see :func:`same_dtype`.

    Raises:
        TypeError: for anything but floating-point tensors, or float64 beside a narrower dtype.
        ValueError: for different shapes or devices.
    """
    if alike(input, target) and input.shape == target.shape:
        dtype: torch.dtype = input.dtype
        return dtype
    named = {names[0]: input, names[1]: target}
    floating(**named)
    same_shape(**named)
    return same_dtype(**named)


def alike(*tensors: Any) -> bool:
    """Whether these are floating-point tensors of one dtype on one device.

    They nearly always are: a gate then asks for the shapes only, and where something does not fit
    leaves it to the checks with names to say what.
    """
    first = tensors[0]
    if not (isinstance(first, Tensor) and first.is_floating_point()):
        return False
    for other in tensors[1:]:
        if not (
            isinstance(other, Tensor)
            and other.dtype is first.dtype
            and other.device == first.device
        ):
            return False
    return True


def floating(**tensors: Any) -> None:
    """Check that every argument is a floating-point tensor.

    Raises:
        TypeError: naming the argument, what came and the fix.
    """
    for name, value in tensors.items():
        if not isinstance(value, Tensor):
            raise TypeError(_not_a_tensor(name, value))
        if not value.is_floating_point():
            raise TypeError(
                f"{name} must be a floating-point tensor, got {value.dtype}; "
                f"convert it with {name}.float()"
            )


def _not_a_tensor(name: str, value: Any) -> str:
    if value is None:
        return f"{name} is missing: it must be a torch.Tensor, got None"
    what = f"{name} must be a torch.Tensor, got {type(value).__name__}"
    if callable(getattr(value, "__array__", None)) or isinstance(value, (list, tuple, int, float)):
        return f"{what}; convert it with torch.as_tensor({name})"
    if isinstance(value, Mapping):
        return f"{what} with the keys {', '.join(map(str, value))}; pass one of its values"
    return what


def working_dtype(dtype: torch.dtype) -> torch.dtype:
    """The dtype to compute and add up in: float32 for half precision, else the dtype itself."""
    if dtype is torch.float32 or dtype is torch.float64:
        return dtype
    return torch.promote_types(dtype, torch.float32)


def same_device(**tensors: Tensor) -> None:
    """Check that all tensors lie on one device.

    Raises:
        ValueError: with where each of them lies.
    """
    devices = {name: tensor.device for name, tensor in tensors.items()}
    if len(set(devices.values())) > 1:
        listed = ", ".join(f"{name} is on {device}" for name, device in devices.items())
        raise ValueError(f"all inputs must be on one device: {listed}; move one with .to()")


def same_dtype(**tensors: Tensor) -> torch.dtype:
    """The dtype that these tensors are computed in, which must lie on one device.

    Half precision may meet float32, as autocast brings it about. float64 meets only float64: a
    stray float64 target would otherwise promote the whole loss.

    Raises:
        TypeError: if float64 meets another dtype.
        ValueError: if the devices differ.
    """
    same_device(**tensors)
    dtypes = {name: tensor.dtype for name, tensor in tensors.items()}
    if len(set(dtypes.values())) > 1 and torch.float64 in dtypes.values():
        listed = ", ".join(f"{name} is {dtype}" for name, dtype in dtypes.items())
        wide = [name for name, dtype in dtypes.items() if dtype is torch.float64]
        raise TypeError(
            f"float64 and narrower inputs do not mix: {listed}; convert with "
            f"{' and '.join(f'{name}.float()' for name in wide)}"
        )
    result = next(iter(dtypes.values()))
    for dtype in dtypes.values():
        result = torch.promote_types(result, dtype)
    return result


def same_shape(**tensors: Tensor) -> None:
    """Check that all shapes are equal: a loss never broadcasts.

    Raises:
        ValueError: with the shapes that came and the fix.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    # Not through a set: symbolic sizes, as in torch.export, cannot be hashed.
    first = next(iter(shapes.values()))
    if any(shape != first for shape in shapes.values()):
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(
            f"{' and '.join(shapes)} must have the same shape, got {listed}; "
            f"{to_one_shape(shapes)}, losses do not broadcast"
        )


def fit_weight(weight: Any, input: Tensor, *, name: str = "weight", of: str = "input") -> Tensor:
    """Bring a weight or mask into a form that broadcasts against a tensor, and into its dtype.

    Dimensions of 1 are added on the right; each dimension is then that of the tensor or 1. So
    ``(B,)`` weighs samples, ``(B, N)``, ``(B, N, 1)`` and ``(1, N)`` weigh points. One dimension
    alone is always that of the samples, also where there are as many points: to weigh the points
    of all samples alike, pass ``(1, N)``.

    Args:
        weight: floating-point or boolean, on the device of ``input``.
        input: what is weighed.
        name: what the errors call the weight.
        of: what the errors call the tensor.

    Returns:
        The weight with as many dimensions as ``input``, in the dtype that ``input`` is computed
        in: float32 for half precision.

    Raises:
        TypeError: for anything but a floating-point or boolean tensor.
        ValueError: for a shape that does not fit, or another device.
    """
    if not isinstance(weight, Tensor):
        raise TypeError(_not_a_tensor(name, weight))
    if not weight.is_floating_point() and weight.dtype is not torch.bool:
        raise TypeError(
            f"{name} must be a floating-point or boolean tensor, got {weight.dtype}; "
            f"{instead_of_integers(name, tuple(weight.shape))}"
        )
    if weight.device != input.device:
        raise ValueError(
            f"{name} must be on the device of {of}: {name} is on {weight.device}, {of} on "
            f"{input.device}; move it with {name}.to({of}.device)"
        )
    if not _fits(weight.shape, input.shape):
        own, other = tuple(weight.shape), tuple(input.shape)
        raise ValueError(
            f"{name} must have the shape of {of} {other} or a leading part of it, "
            f"with 1 for a dimension that it does not tell apart, got {own}; "
            f"{instead_of_weight(name, own, of, other, _fits)}"
        )
    working = torch.float64 if input.dtype is torch.float64 else torch.float32
    if weight.dtype is not working:
        weight = weight.to(working)
    fitted: Tensor = weight
    missing = input.ndim - weight.ndim
    if missing:
        one = missing == 1
        fitted = weight.unsqueeze(-1) if one else weight.reshape(*weight.shape, *(1,) * missing)
    return fitted


def _fits(own: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return own == other or own == other[: len(own)] or _broadcasts(own, other)


def _broadcasts(own: tuple[int, ...], other: tuple[int, ...]) -> bool:
    # One number for a batch of several looks like a batch of one that was paired wrongly.
    if len(own) > len(other) or len(own) == 1:
        return False
    # Neither all() nor zip(): the compiler of torch 2.8 cannot trace them here.
    for dimension, size in enumerate(own):  # noqa: SIM110
        if size != 1 and size != other[dimension]:
            return False
    return True


def shape(
    expected: str,
    matches: Callable[[tuple[int, ...]], bool],
    advise: Callable[[str, tuple[int, ...]], str] | None = None,
    /,
    **tensors: Tensor,
) -> None:
    """Check each shape against a predicate.

    Args:
        expected: the shape in words.
        matches: tells whether a shape will do.
        advise: from a name and a shape that will not, what to do about it; may be empty.
        tensors: by the names that the caller knows.

    Raises:
        ValueError: with ``expected``, the shape that came, and the fix if there is one.
    """
    for name, tensor in tensors.items():
        came = tuple(tensor.shape)
        if not matches(came):
            fix = f"for one sample pass {name}[None]" if matches((1, *came)) else ""
            fix = fix or (advise(name, came) if advise else "")
            fix = f"; {fix}" if fix else ""
            raise ValueError(f"{name} must have shape {expected}, got {came}{fix}")


def same_batch(**tensors: Tensor) -> None:
    """Check that all first dimensions are equal.

    Raises:
        ValueError: with the batch sizes that came.
    """
    sizes = {name: tensor.shape[0] for name, tensor in tensors.items()}
    first = next(iter(sizes.values()))
    if any(size != first for size in sizes.values()):
        listed = ", ".join(f"{name} has {size}" for name, size in sizes.items())
        raise ValueError(
            f"all inputs must have the same batch size: {listed}; pass one row a sample in each"
        )


# Written out: older compilers cannot trace sys.float_info or torch.finfo.
_LARGEST = {torch.float32: 3.4028234663852886e38, torch.float64: 1.7976931348623157e308}


def number(minimum: float = 0.0, *, exclusive: bool = False, **numbers: Any) -> None:
    """Check that hyperparameters are finite Python numbers from ``minimum`` on.

    Raises:
        TypeError: if one is not a number (a tensor would hide a device synchronisation).
        ValueError: if one is out of range.
    """
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TypeError(_not_a_number(name, value))
        # Comparisons only: torch.compile can trace them when the number changes between calls.
        in_range = value > minimum if exclusive else value >= minimum
        if not (in_range and abs(value) <= _LARGEST[torch.float64]):
            bound = f" and {'greater than' if exclusive else 'at least'} {minimum:g}"
            bound = bound if minimum > -math.inf else ""
            raise ValueError(f"{name} must be finite{bound}, got {value}")


def representable(dtype: torch.dtype, **numbers: float) -> None:
    """Check that hyperparameters are no larger than the dtype of the computation allows.

    Raises:
        ValueError: with the largest number of that dtype.
    """
    for name, value in numbers.items():
        if abs(value) > _LARGEST[dtype]:
            raise ValueError(
                f"{name} must be at most {_LARGEST[dtype]:.4g}, the largest number of {dtype}, "
                f"got {value:.4g}; choose a smaller one, or compute in float64"
            )


def _not_a_number(name: str, value: Any) -> str:
    what = f"{name} must be a Python number, got {type(value).__name__}"
    if isinstance(value, Tensor) and value.numel() == 1:
        return f"{what}; read it once with float({name}), outside of the training loop"
    # Numbers of numpy, and arrays of one.
    convertible = hasattr(value, "__float__") and getattr(value, "size", 1) == 1
    if convertible and not isinstance(value, bool):
        return f"{what}; convert it with float({name})"
    return f"{what}; pass an int or a float" if value is not None else f"{what}; leave it out"


def index(size: int | None, **indices: Any) -> None:
    """Check that options are indices, counted from 0, of ``size`` things or of any number.

    Raises:
        TypeError: if one is not a Python integer.
        ValueError: if one is out of range.
    """
    for name, value in indices.items():
        if isinstance(value, bool) or not isinstance(value, int):
            fix = "use int(...)"
            if isinstance(value, bool):
                fix = "give the index, counted from 0; of a mask those where it is True"
            raise TypeError(f"{name} must be a Python integer, got {type(value).__name__}; {fix}")
        if value < 0 or (size is not None and value >= size):
            bound = "at least 0" if size is None else f"from 0 to {size - 1}"
            raise ValueError(f"{name} must be {bound}, got {value}")


def flag(**flags: Any) -> None:
    """Check that options are True or False.

    Raises:
        TypeError: naming the option and what came.
    """
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise TypeError(f"{name} must be True or False, got {value!r}")


MASK = "mask what is missing with weight="
"""The fix for a NaN that counts, where a loss has a weight."""


def finite(fix: str = "", /, **tensors: Tensor) -> None:
    """Check the values for NaN and infinities, inside :func:`check_values`.

    Args:
        fix: what to do about them; may be empty.
        tensors: by the names that the caller knows.

    Raises:
        ValueError: with how many there are and where the first one is.
    """
    for name, tensor in tensors.items():
        bad = ~torch.isfinite(tensor.detach())
        count = int(bad.sum())
        if count:
            first = tuple(bad.nonzero()[0].tolist())
            plural = "s" if count > 1 else ""
            raise ValueError(
                f"{name} holds {count} NaN or infinite value{plural} of {tensor.numel()}, "
                f"the first at index {first}{fix and '; '}{fix}"
            )


def not_swapped(names: tuple[str, str], input: Tensor, target: Tensor) -> None:
    """Warn, inside :func:`check_values`, of a label that learns beside a prediction that does not.

    Args:
        names: of the two arguments.
        input: the prediction.
        target: the label.
    """
    if torch.is_grad_enabled() and target.requires_grad and not input.requires_grad:
        warn(
            f"{names[1]} requires a gradient and {names[0]} does not: if they are swapped, pass "
            f"the prediction first"
        )


def weights(**tensors: Tensor) -> None:
    """Check the values of weights, inside :func:`check_values`.

    Raises:
        ValueError: for NaN, infinities or negative weights.
    """
    for name, weight in tensors.items():
        finite(**{name: weight})
        if bool((weight < 0).any()):
            raise ValueError(
                f"{name} must not be negative, its smallest value is {weight.min():.4g}"
            )
        if weight.numel() and not bool((weight > 0).any()):
            counted = f"; a mask is True where something counts, of padding pass ~{name}"
            also = counted if weight.dtype is torch.bool else ""
            warn(f"every {name} is 0: the loss is exactly 0 and trains nothing{also}")
        no_visibility(**{name: weight})


def no_visibility(**tensors: Tensor) -> None:
    """Look for a visibility of 0, 1 and 2 among weights of points, inside :func:`check_values`.

    A weight that is the same for all points of a sample weighs samples; of that, 2 may be meant.
    """
    for name, weight in tensors.items():
        if weight.ndim < 2 or not weight.is_floating_point():
            continue
        hidden, twice = weight == 0, weight == 2
        uneven = (weight != weight[:, :1]).any()
        others = ~(hidden | twice | (weight == 1))
        if bool(hidden.any() & twice.any() & uneven & ~others.any()):
            warn(
                f"{name} holds 0 and 2 as the visibility of COCO does, where 2 is a visible point: "
                f"it counts twice; pass {name} > 0"
            )


def confidences(**tensors: Tensor) -> None:
    """Check the values of confidences, inside :func:`check_values`.

    Raises:
        ValueError: for NaN, or values outside of 0 to 1.
    """
    for name, tensor in tensors.items():
        finite(**{name: tensor})
        if bool(((tensor < 0) | (tensor > 1)).any()):
            low, high = tensor.detach().min().item(), tensor.detach().max().item()
            raise ValueError(
                f"{name} must lie in [0, 1], its values reach from {low:.4g} to {high:.4g}; "
                f"was a coordinate taken for it?"
            )


def zero_or_one(**tensors: Tensor) -> None:
    """Check that all values are 0 or 1, inside :func:`check_values`.

    Raises:
        ValueError: with the first value that is neither.
    """
    for name, tensor in tensors.items():
        wrong = tensor[(tensor != 0) & (tensor != 1)]
        if len(wrong):
            raise ValueError(f"{name} must hold only 0 and 1, found {wrong[0].item():.4g}")


def radians(**tensors: Tensor) -> None:
    """Check that no angle is beyond a full turn, inside :func:`check_values`.

    Raises:
        ValueError: saying that the angles look like degrees.
    """
    for name, tensor in tensors.items():
        largest = tensor.detach().abs().max().item() if tensor.numel() else 0.0
        if largest > 2 * math.pi:
            raise ValueError(
                f"{name} looks like degrees: its largest value is {largest:.4g}, beyond a full "
                f"turn of 6.283 radians; convert with torch.deg2rad, or pass degrees=True where "
                f"there is such an argument"
            )


def rotations(**tensors: Tensor) -> None:
    """Check that all 3 x 3 matrices are rotations, inside :func:`check_values`.

    Raises:
        ValueError: with the first matrix that is not orthogonal, or that is a reflection.
    """
    for name, tensor in tensors.items():
        matrices = tensor.detach().to(torch.promote_types(tensor.dtype, torch.float32))
        identity = torch.eye(3, dtype=matrices.dtype, device=matrices.device)
        with torch.autocast(matrices.device.type, enabled=False):
            error = (matrices @ matrices.mT - identity).abs().amax((-2, -1))
            determinant = torch.linalg.det(matrices)
        # Rounded to bfloat16, a rotation is up to 0.02 off.
        bent, mirrored = error > 0.03, determinant < 0
        for wrong, reason in ((bent, "R R^T differs from I"), (mirrored, "its determinant is -1")):
            if bool(wrong.any()):
                raise ValueError(
                    f"{name} must hold rotation matrices; the one at index "
                    f"{tuple(wrong.nonzero()[0].tolist())} is not: {reason}"
                )


def warn(reason: str) -> None:
    """Warn, at the caller's line, of values that are legal and hardly meant."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back and frame.f_globals["__name__"].split(".")[0] in ("lossbook", "torch"):
        level, frame = level + 1, frame.f_back
    warnings.warn(reason, stacklevel=level)
