"""What a package needs, as it is installed here."""

import os
from importlib import metadata

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
        root = distribution.locate_file("")
        for file in map(str, distribution.files or ()):
            place = os.path.join(site, file)
            if not file.startswith("..") and not os.path.lexists(place):
                os.makedirs(os.path.dirname(place), exist_ok=True)
                os.symlink(os.path.join(root, file), place)
