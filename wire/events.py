"""What a session tells: the events of docs/protocol.md, as they go over the wire.

Times are media time in milliseconds since the session's first media, but those called ``room_…``, which are the
room's. ``room``, ``session`` and ``seq`` are set when the event is published (:mod:`serving.rooms.broadcast`), not by
who makes it; only a revision of another participant's utterance names its session itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

Modality = Literal["text", "audio", "face", "scene"]
MODALITIES: Final[tuple[Modality, ...]] = get_args(Modality)
Probabilities = dict[str, float]
UtteranceKey = tuple[str, int]  # its session and its number there


NOT_SURE: Final = "not sure"
"""What is shown in the place of an emotion that is uncertain."""


def likeliest(probabilities: Probabilities) -> str:
    """Return the label with the highest probability, the first of equals."""
    return max(probabilities, key=lambda label: probabilities[label])


class EventBase(BaseModel):
    """What all events share; clients ignore fields they don't know."""

    model_config = ConfigDict(frozen=True)

    room: str = ""
    session: str = ""
    seq: int = 0


class Participant(BaseModel):
    """Somebody who is or was in a room; ``here`` says whether the session still goes on."""

    model_config = ConfigDict(frozen=True)

    name: str
    session: str
    number: int
    here: bool


class RoomState(EventBase):
    """Where a room stands; what follows is what was missed, or a snapshot.

    It is told to one connection and counts for none: its ``seq`` is the number of the room's last event.
    """

    type: Literal["room.state"] = "room.state"
    instance: str = Field(description="names this life of the room; a room that was empty for long begins anew")
    resumed: bool = Field(description="exactly what was missed follows; otherwise a snapshot does")
    now_ms: int = Field(description="the room's time")
    recording: bool
    key: str = Field("", description="proves to be the same participant when it comes back; told to nobody else")
    participants: list[Participant]


class ParticipantJoined(EventBase):
    """Somebody has come into the room; ``returning`` if a participant of this name was there before."""

    type: Literal["participant.joined"] = "participant.joined"
    name: str
    number: int = Field(ge=0, le=0xFFFF)
    returning: bool


class ParticipantLeft(EventBase):
    """Somebody has left; what was said is still finished before ``session.closed``."""

    type: Literal["participant.left"] = "participant.left"
    name: str
    reason: str


class ClockOffset(EventBase):
    """How the session's media time relates to the room's; told again when it is corrected."""

    type: Literal["clock.offset"] = "clock.offset"
    offset_ms: float = Field(description="the room's time at the session's media time 0")


class SessionCreated(EventBase):
    """The session exists; the client may send ``session.update`` and then media."""

    type: Literal["session.created"] = "session.created"
    protocol: int = 1
    number: int = Field(0, ge=0, le=0xFFFF, description="names the session in the header of binary messages")
    labels: list[str]
    speaker: str
    engine: str
    bundle: str
    recording: bool = Field(default=False, description="its media and events are being recorded")


class SessionUpdated(EventBase):
    """The configuration now in force."""

    type: Literal["session.updated"] = "session.updated"
    speaker: str
    settings: dict[str, object]


class SpeechStarted(EventBase):
    """Somebody begins to speak; ``start_ms`` includes the pre-roll."""

    type: Literal["speech.started"] = "speech.started"
    utterance: int
    speaker: str
    start_ms: int
    room_start_ms: int = 0


class TranscriptPartial(EventBase):
    """What has been said so far of an utterance that goes on; replaces the one before."""

    type: Literal["transcript.partial"] = "transcript.partial"
    utterance: int
    speaker: str
    start_ms: int
    room_start_ms: int = 0
    text: str


class UtteranceResumed(EventBase):
    """Speech went on after a likely end: an early emotion of this utterance is withdrawn."""

    type: Literal["utterance.resumed"] = "utterance.resumed"
    utterance: int


class UtteranceDiscarded(EventBase):
    """What began as speech was none (too short, or no words in it): no emotion will come."""

    type: Literal["utterance.discarded"] = "utterance.discarded"
    utterance: int
    reason: str


class Latency(BaseModel):
    """Where the time went between the end of speech and this event, in milliseconds."""

    model_config = ConfigDict(frozen=True)

    endpoint_ms: float = Field(description="silence waited for before the end was believed")
    transcript_ms: float = Field(description="from then to the transcript")
    features_ms: float = Field(description="text, audio and face embeddings")
    fusion_ms: float
    total_ms: float = Field(description="from the end of speech to the event, wall clock; 0 when not live")


class Emotion(EventBase):
    """The emotion of one utterance; a higher revision of the same utterance replaces it."""

    type: Literal["emotion"] = "emotion"
    utterance: int
    revision: int
    final: bool = Field(description="False while speech may still go on")
    speaking: bool = Field(
        default=False, description="told of what was said so far, while it was being said: provisional, never final"
    )
    speaker: str
    start_ms: int
    end_ms: int
    room_start_ms: int = 0
    text: str
    label: str
    uncertain: bool = Field(default=False, description="not sure: the label is less probable than what is relied upon")
    probabilities: Probabilities
    modalities: list[Modality]
    face: int | None = Field(
        None, description="id of the face that spoke, in the session's `faces`; null where that is not told"
    )
    baseline_utterances: int = Field(
        0, ge=0, description="earlier utterances of the speaker that the voice was told against"
    )
    latency: Latency

    @property
    def shown(self) -> str:
        """Return what people are shown as the emotion: the label, or that it is not sure."""
        return NOT_SURE if self.uncertain else self.label


class FaceBox(BaseModel):
    """One face; ``id`` is stable while the face stays in view."""

    model_config = ConfigDict(frozen=True)

    id: int
    box: tuple[float, float, float, float] = Field(description="left, top, right, bottom in pixels")
    expression: Probabilities


class Faces(EventBase):
    """The faces of one analyzed frame of ``width`` x ``height`` pixels."""

    type: Literal["faces"] = "faces"
    time_ms: int
    width: int
    height: int
    interval_ms: int = Field(0, description="frames are analyzed so far apart at present, at least")
    faces: list[FaceBox]


class Warning(EventBase):  # noqa: A001 - the protocol's word; always used as events.Warning
    """Something was lost or is missing; the session goes on."""

    type: Literal["warning"] = "warning"
    code: str
    message: str


class Error(EventBase):
    """Something was refused or broke; ``fatal`` says whether the session ends with it."""

    type: Literal["error"] = "error"
    code: str
    message: str
    fatal: bool


class Totals(BaseModel):
    """What a session did, from its first media to its end."""

    model_config = ConfigDict(frozen=True)

    duration_ms: int = 0
    utterances: int = 0
    audio_chunks: int = 0
    video_frames: int = 0
    analyzed_frames: int = 0
    followed_frames: int = 0
    passed_over_frames: int = 0
    dropped_audio_chunks: int = 0
    dropped_video_frames: int = 0
    late_video_frames: int = 0
    skipped_partials: int = 0
    skipped_provisional: int = 0
    rejected_transcripts: int = 0
    doubted_transcripts: int = 0
    speakers: int = Field(0, description="people who were told apart by their voices; 0: nobody was")


class SessionClosed(EventBase):
    """The last event of a session."""

    type: Literal["session.closed"] = "session.closed"
    reason: str
    totals: Totals


Event = Annotated[
    RoomState
    | ParticipantJoined
    | ParticipantLeft
    | ClockOffset
    | SessionCreated
    | SessionUpdated
    | SpeechStarted
    | TranscriptPartial
    | UtteranceResumed
    | UtteranceDiscarded
    | Emotion
    | Faces
    | Warning
    | Error
    | SessionClosed,
    Field(discriminator="type"),
]
EVENT: Final[TypeAdapter[Event]] = TypeAdapter(Event)
EVENT_TYPES: Final[Mapping[str, type[EventBase]]] = {
    kind.model_fields["type"].default: kind for kind in get_args(get_args(Event)[0])
}


@dataclass(frozen=True, slots=True)
class Published:
    """An event with its session and ``seq`` set, and its JSON text, made once for all watchers."""

    event: Event
    text: str

    @classmethod
    def of(cls, event: Event) -> "Published":
        """Return ``event`` with its text."""
        return cls(event, event.model_dump_json())
