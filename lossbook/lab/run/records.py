"""How experiments are recorded, the same for all chapters. Needs torch only."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from lossbook.lab.run.devices import default_device, describe_device

__all__ = ["command_line", "rounded", "stamp", "write_json"]


def rounded(value: Any, digits: int = 5) -> Any:
    """Round the floating-point numbers in nested lists, tuples and dictionaries.

    Args:
        value: tuples come back as lists, as JSON has them.
        digits: decimals to keep.
    """
    if isinstance(value, float):
        return round(value, digits)
    if isinstance(value, Mapping):
        return {key: rounded(item, digits) for key, item in value.items()}
    return [rounded(item, digits) for item in value] if isinstance(value, (list, tuple)) else value


def stamp(device: torch.device | str, command: str) -> dict[str, str]:
    """Say where, with what and when a record was made.

    Args:
        device: on which the experiment ran.
        command: that started it.

    Returns:
        The names ``device``, ``torch``, ``date`` (UTC) and ``command``.
    """
    return {
        "device": describe_device(torch.device(device)),
        "torch": torch.__version__,
        "date": datetime.now(timezone.utc).date().isoformat(),
        "command": command,
    }


def write_json(content: Mapping[str, Any], path: Path) -> None:
    """Write JSON in one line, making the folder if need be.

    Raises:
        ValueError: if a number is NaN or infinite, which JSON cannot say.
    """
    text = json.dumps(content, allow_nan=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def command_line(module: str, path: Path) -> argparse.ArgumentParser:
    """Make the parser of a chapter's experiment: what to do, where, and where to write it.

    Args:
        module: that the command starts, such as ``"lossbook.lab.hands.demo"``.
        path: of the record that ships with the package.

    Returns:
        A parser of ``--record`` or ``--sweep``, ``--device`` and ``--out``.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}")
    task = parser.add_mutually_exclusive_group(required=True)
    task.add_argument("--record", action="store_true", help="run everything and write the record")
    task.add_argument("--sweep", action="store_true", help="only try learning rates")
    parser.add_argument("--device", default=default_device(), help="by default a GPU if any")
    parser.add_argument("--out", type=Path, default=path)
    return parser
