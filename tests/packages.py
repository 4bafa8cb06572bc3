"""What a package needs, as it is installed here."""

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
        for file in metadata.files(name) or ():
            place = site / file
            if ".." not in file.parts and not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                place.symlink_to(file.locate())
