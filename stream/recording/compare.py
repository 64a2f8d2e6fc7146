"""Whether a replay says the same as the recording: events in, differences in plain words out. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from wire import events
from wire.events import Event

TOLERANCE: Final = 1e-4
_PIXELS: Final = 0.1
_COMPUTED_WARNINGS: Final = frozenset(
    {"transcript.failed", "transcript.doubtful", "sound.quiet", "sound.clipped", "sound.background", "faces.failed"}
)
_MACHINE: Final = frozenset({"seq", "latency", "interval_ms"})  # how fast it was, and where it stands among others

Key = tuple[str, ...]


def is_computed(event: Event) -> bool:
    """Return whether a session computed an event from its media; the others come from connections and sources."""
    match event:
        case (
            events.SpeechStarted()
            | events.TranscriptPartial()
            | events.UtteranceResumed()
            | events.UtteranceDiscarded()
            | events.Emotion()
            | events.Faces()
        ):
            return True
        case events.Warning(code=code):
            return code in _COMPUTED_WARNINGS
        case _:
            return False


def differences(recorded: Iterable[Event], replayed: Iterable[Event], *, whole: bool) -> list[str]:
    """Return what is different, one line each; none if the two say the same.

    Args:
        recorded: all events of the recording.
        replayed: all of the replay.
        whole: the recording was not cut off; of one that was, the last events may be missing.
    """
    then, now = _by_session(recorded), _by_session(replayed)
    found: list[str] = []
    for session in sorted({*then, *now}):
        lines = _session_differences(then.get(session, []), now.get(session, []), whole=whole)
        found += [f"session {session}: {line}" for line in lines]
    return found


def _by_session(told: Iterable[Event]) -> dict[str, list[Event]]:
    sessions: dict[str, list[Event]] = {}
    for event in told:
        if is_computed(event):
            sessions.setdefault(event.session, []).append(event)
    return sessions


def _session_differences(recorded: Sequence[Event], replayed: Sequence[Event], *, whole: bool) -> Iterator[str]:
    then, now = _keyed(recorded), _keyed(replayed)
    for key, event in then.items():
        if key not in now:
            yield f"{_named(key)} is missing"
        else:
            yield from (f"{_named(key)}: {line}" for line in _field_differences(event, now[key]))
    if whole:
        yield from (f"{_named(key)} was not recorded" for key in now if key not in then)
    common_then, common_now = [key for key in then if key in now], [key for key in now if key in then]
    for before, after in zip(common_then, common_now, strict=True):
        if before != after:
            yield f"the order is another: {_named(after)} comes where {_named(before)} was"
            return


def _keyed(told: Sequence[Event]) -> dict[Key, Event]:
    """Return the events by what they are of; the second of the same is told from the first."""
    counts: Counter[Key] = Counter()
    keyed: dict[Key, Event] = {}
    for event in told:
        key = _key(event)
        counts[key] += 1
        keyed[(*key, str(counts[key]))] = event
    return keyed


def _key(event: Event) -> Key:
    match event:
        case events.Emotion():
            return (event.type, f"of utterance {event.utterance}", f"revision {event.revision}")
        case events.Faces():
            return (event.type, f"at {event.time_ms} ms")
        case events.Warning():
            return (event.type, event.code)
        case (
            events.SpeechStarted()
            | events.TranscriptPartial()
            | events.UtteranceResumed()
            | events.UtteranceDiscarded()
        ):
            return (event.type, f"of utterance {event.utterance}")
        case _:
            return (event.type,)


def _named(key: Key) -> str:
    *parts, number = key
    return ", ".join(parts) + (f", the {number}." if number != "1" else "")


def _field_differences(recorded: Event, replayed: Event) -> Iterator[str]:
    then, now = recorded.model_dump(exclude=set(_MACHINE)), replayed.model_dump(exclude=set(_MACHINE))
    for name, value in then.items():
        if name == "faces":
            yield from _face_differences(value, now[name])
        elif isinstance(value, Mapping):
            yield from _probability_differences(value, now[name])
        elif value != now[name]:
            yield f"{name} is {now[name]!r}, recorded {value!r}"


def _face_differences(then: Sequence[Mapping[str, object]], now: Sequence[Mapping[str, object]]) -> Iterator[str]:
    ids_then, ids_now = [face["id"] for face in then], [face["id"] for face in now]
    if ids_then != ids_now:
        yield f"the faces are {ids_now}, recorded {ids_then}"
        return
    for before, after in zip(then, now, strict=True):
        box_then, box_now = before["box"], after["box"]
        if isinstance(box_then, tuple) and isinstance(box_now, tuple):
            moved = max(abs(one - other) for one, other in zip(box_then, box_now, strict=True))
            if moved > _PIXELS:
                yield f"face {before['id']} is {moved:.2f} pixels elsewhere"
        if isinstance(before["expression"], Mapping) and isinstance(after["expression"], Mapping):
            yield from _probability_differences(before["expression"], after["expression"])


def _probability_differences(then: Mapping[str, float], now: Mapping[str, float]) -> Iterator[str]:
    if then.keys() != now.keys():
        yield f"the emotions are {', '.join(now)}, recorded {', '.join(then)}"
        return
    for label, value in then.items():
        if abs(value - now[label]) > TOLERANCE:
            yield f"the probability of {label} is {now[label]:.6f}, recorded {value:.6f}"
