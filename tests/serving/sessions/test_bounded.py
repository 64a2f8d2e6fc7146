"""What the server remembers does not grow with the number of those who came and went, however long it runs."""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Final

from running_server import EverySound, Names, chunk_of

from models.threads import broken_parts
from serving.rooms.requests import JoinRequest
from serving.sessions.registry import SessionRegistry
from serving.telemetry.event_log import EventLog
from serving.telemetry.event_tally import EventTally
from stream.settings import ServerSettings, Settings
from wire import events
from wire.events import Event, Totals

OURS: Final = ("models.", "serving.", "stream.")
CYCLES: Final = 600  # more than what is kept of anything


def held(root: object) -> int:
    """Return how many elements all containers have that can be reached from our objects."""
    seen: set[int] = set()
    waiting: list[object] = [root]
    count = 0
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        inside = list(elements(item))
        count += len(inside) if isinstance(item, dict | list | set | deque | tuple) else 0
        waiting += inside
    return count


def elements(item: Any) -> Iterable[object]:  # noqa: ANN401 - anything there is
    if isinstance(item, Mapping):
        return [*item.keys(), *item.values()]
    if isinstance(item, list | set | deque | tuple):
        return item
    if type(item).__module__.startswith(OURS) and not isinstance(item, type):
        slots = [getattr(item, name, None) for kind in type(item).__mro__ for name in getattr(kind, "__slots__", ())]
        return [*getattr(item, "__dict__", {}).values(), *slots]
    return []


def come_and_go(registry: SessionRegistry, number: int) -> None:
    member = registry.rooms.join(JoinRequest("call", f"Ana {number}"), lambda _: None)
    channel = member.channel
    registry.rooms.announce(member)
    registry.announce(channel, member.name)
    member.arrived(chunk_of(number))
    said = EverySound(registry.settings, channel.publish, member.name, member.context)
    said.push(chunk_of(number))
    told: list[Event] = [
        events.SpeechStarted(utterance=2, speaker=member.name, start_ms=0),
        events.Faces(time_ms=0, width=1, height=1, faces=[]),
        events.Warning(code="faces.failed", message=f"{number}"),
        events.UtteranceDiscarded(utterance=3, reason=f"because of {number}"),
    ]
    for event in told:
        channel.publish(event)
    registry.rooms.left(member, "client")
    channel.publish(events.SessionClosed(reason="client", totals=Totals()))
    alone = registry.broadcast.open()
    registry.announce(alone)
    alone.publish(events.SessionClosed(reason="client", totals=Totals()))


async def test_nothing_grows_with_those_who_came_and_went() -> None:
    tally, journal = EventTally(), EventLog()

    def observe(event: Event) -> None:
        tally.observe(event)
        journal.observe(event)

    settings = Settings(server=ServerSettings(room_history=64))
    registry = SessionRegistry(settings, Names(), EverySound, observe)  # type: ignore[arg-type] # behaves as a session
    watcher = registry.broadcast.subscribe(lambda: None)
    sizes = []
    for number in range(2 * CYCLES):
        come_and_go(registry, number)
        while watcher.take() is not None:
            pass
        if number % CYCLES == CYCLES - 1:
            sizes.append(held([registry, tally, journal, watcher, broken_parts()]))
    assert sizes[1] <= sizes[0] + 20
