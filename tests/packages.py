"""What a package needs, as it is installed here."""

import contextlib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement


def requirements(name, found):
    """A package and everything that it requires, as names to install."""
    found.add(name)
    for line in metadata.requires(name) or []:
        requirement = Requirement(line)
        marker = requirement.marker
        wanted = requirement.name.lower().replace("_", "-")
        if wanted not in found and (marker is None or marker.evaluate({"extra": ""})):
            try:
                requirements(wanted, found)
            except metadata.PackageNotFoundError:
                found.discard(wanted)
    return found


def lend(names, site):
    """Link the installed files of packages and of what they require into another environment.

    File by file, compiled ones included: nothing is copied, compiled again or seen besides.
    """
    for name in sorted(set().union(*(requirements(name, set()) for name in names))):
        distribution = metadata.distribution(name)
        root, made = Path(str(distribution.locate_file(""))), set()
        for file in map(str, distribution.files or ()):
            place = site / file
            if file.startswith(".."):
                continue
            if place.parent not in made:
                place.parent.mkdir(parents=True, exist_ok=True)
                made.add(place.parent)
            with contextlib.suppress(FileExistsError):
                place.symlink_to(root / file)
