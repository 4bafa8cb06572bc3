"""Other projects' losses, each declared beside the call of this package that replaces it."""

from collections.abc import Mapping

from lossbook.lab.run.others import hands, inversion, landmarks, motion, translation
from lossbook.lab.run.others.entry import Entry, Source

__all__ = ["CHAPTERS", "SOURCES", "Entry", "Source", "chapter_of"]

_MODULES = {
    "landmarks": landmarks,
    "hands": hands,
    "motion": motion,
    "inversion": inversion,
    "translation": translation,
}

CHAPTERS: Mapping[str, tuple[Entry, ...]] = {
    name: module.ENTRIES for name, module in _MODULES.items()
}
"""What is compared, by chapter."""

SOURCES: Mapping[str, Source] = {
    key: source for module in _MODULES.values() for key, source in module.SOURCES.items()
}
"""From where, by the name that ``--clone`` knows."""


def chapter_of(entry: Entry) -> str:
    """The chapter whose losses an entry is compared with."""
    return next(name for name, entries in CHAPTERS.items() if entry in entries)
