"""Print the exact versions installed for this project and nothing else: `make pins` keeps them in constraints.txt.

What happens to be installed besides is left out: the walk starts at our own requirements and extras.
"""

import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = "m2fnet-live"
EXTRAS = frozenset({"train", "dev", "tensorrt-rtx"})  # what continuous integration installs


def wanted(requirement: Requirement, extras: frozenset[str]) -> bool:
    """Return whether the requirement applies here with these extras of its package chosen."""
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in extras | {""})


def requirements(name: str, extras: frozenset[str]) -> Iterator[Requirement]:
    """Yield what an installed package needs here; nothing for one that is not installed.

    A requirement without a marker for this machine, or of an extra nobody asked for, is never installed.
    """
    try:
        lines = distribution(name).requires or []
    except PackageNotFoundError:
        return
    yield from (r for r in map(Requirement, lines) if wanted(r, extras))


def closure(name: str, extras: frozenset[str]) -> set[str]:
    """Return the normalised names of everything ``name[extras]`` needs, itself included."""
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [(canonicalize_name(name), extras)]
    while waiting:
        item = waiting.pop()
        if item not in seen:
            seen.add(item)
            waiting += [(canonicalize_name(r.name), frozenset(r.extras)) for r in requirements(*item)]
    return {name for name, _ in seen}


def main() -> int:
    """Print one ``name==version`` a line, sorted."""
    for name in sorted(closure(PROJECT, EXTRAS) - {PROJECT}):
        print(f"{name}=={distribution(name).version}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
