"""An event as it goes to the watchers."""

from dataclasses import dataclass

from stream.events import Event


@dataclass(frozen=True, slots=True)
class Published:
    """An event with its session and ``seq`` set, and its JSON text, made once for all watchers."""

    event: Event
    text: str

    @classmethod
    def of(cls, event: Event) -> "Published":
        """Return ``event`` with its text."""
        return cls(event, event.model_dump_json())
