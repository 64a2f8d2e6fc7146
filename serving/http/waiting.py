"""Connections that have not been let in yet: so many at once, and no address takes the places of another. Pure."""

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Final

MOST: Final = 256
FEWEST_EACH: Final = 8  # a browser loads a page over six connections at once
NETWORK_BITS: Final = 64  # what is given to one household or machine of IPv6


@dataclass(frozen=True, slots=True)
class _Waiting:
    owner: str
    drop: Callable[[], None]


class Waiting:
    """Keeps account of connections from their first byte until they are let in or closed.

    When there are too many of one address, its oldest is dropped; when there are too many at all, the oldest of the
    address with the most. So whoever comes finds a place, however many others hold theirs and say nothing.

    Args:
        each: most connections of one address; 0: any number.
        most: most connections of all.

    Attributes:
        dropped: how many were dropped so far.
    """

    def __init__(self, each: int, most: int = MOST) -> None:
        self.dropped = 0
        self._each = max(each, FEWEST_EACH) if each else most
        self._most = most
        self._there: dict[int, _Waiting] = {}  # in the order of their coming
        self._shares: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._there)

    def enter(self, number: int, address: str, drop: Callable[[], None]) -> None:
        """Take note of a connection, by its number until it leaves; ``drop`` cuts it off."""
        self.leave(number)
        came = _Waiting(owner_of(address), drop)
        self._there[number] = came
        self._shares[came.owner] += 1
        if self._shares[came.owner] > self._each:
            self._drop_oldest_of({came.owner})
        elif len(self._there) > self._most:
            largest = max(self._shares.values())
            self._drop_oldest_of({owner for owner, share in self._shares.items() if share == largest})

    def leave(self, number: int) -> None:
        """Forget a connection that was let in or closed; one that is not there does no harm."""
        if (gone := self._there.pop(number, None)) is None:
            return
        self._shares[gone.owner] -= 1
        if not self._shares[gone.owner]:
            del self._shares[gone.owner]

    def _drop_oldest_of(self, owners: Collection[str]) -> None:
        number, oldest = next((number, one) for number, one in self._there.items() if one.owner in owners)
        self.leave(number)
        self.dropped += 1
        oldest.drop()


def owner_of(address: str) -> str:
    """Return what connections of one owner have in common: the address, of IPv6 the network it is in."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(IPv6Address(int(parsed) >> NETWORK_BITS << NETWORK_BITS)) + f"/{NETWORK_BITS}"
