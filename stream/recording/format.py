"""What the files of a recording hold besides media: pydantic models, each line or file checked when it is read."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from models.files.config_file import Section
from models.user_error import UserError
from stream.settings import (
    DialogSettings,
    RuntimeSettings,
    Settings,
    SpeakersSettings,
    TranscriberSettings,
    VisionSettings,
)
from stream.speech.transcript import Transcript, Word
from wire.settings import ClientSettings, SegmenterSettings
from wire.strict import Strict, problems_of

Line = TypeVar("Line")

VERSION: Final = 2
ABOUT: Final = "recording.json"
EVENTS: Final = "events.jsonl"
STEPS: Final = "steps.jsonl"


class RecordingError(UserError):
    """A recording can't be made or read; the message says why and what to do."""


def media_name(session: str) -> str:
    """Return the name of the file with a session's sound and frames."""
    return f"{session}.mkv"


class AnalysisSettings(Section):
    """The settings a session's results depend on; nothing of the server's, which may hold secrets."""

    segmenter: SegmenterSettings
    transcriber: TranscriberSettings
    vision: VisionSettings
    dialog: DialogSettings
    speakers: SpeakersSettings
    runtime: RuntimeSettings

    @model_validator(mode="before")
    @classmethod
    def _as_they_were(cls, told: object) -> object:
        """Leave out what was not done yet when older recordings were made, whatever is usual now."""
        if isinstance(told, dict) and isinstance(vision := told.get("vision"), dict):
            before = {"speakers": {"tell_apart": False}} | told
            return before | {"vision": {"speaking_face": "off"} | vision}
        return told

    @classmethod
    def of(cls, settings: Settings) -> "AnalysisSettings":
        """Return these of all settings."""
        return cls(**{name: getattr(settings, name) for name in cls.model_fields})

    def whole(self) -> Settings:
        """Return all settings, the server's as they are by default."""
        return Settings(**{name: getattr(self, name) for name in type(self).model_fields})


class SessionEntry(Strict):
    """A session of the recording; ``alone``: it was in no room, and has a dialog of its own."""

    id: str
    number: int
    speaker: str
    alone: bool
    person: str = Field("", description="what tells who speaks from all others of the room, over several sessions")
    engine: str = Field(description="what computed when the session began")
    client: ClientSettings = Field(description="what the participant asked for, its consent too")
    settings: AnalysisSettings


class About(Strict):
    """recording.json."""

    version: Literal[2] = VERSION
    room: str = Field(description="empty for a session in no room")
    began: str = Field(description="UTC, ISO 8601")
    ended: str | None = Field(None, description="none: it goes on, or was cut off")
    stopped: str | None = Field(None, description="why it ended before its sessions did")
    bundle: str
    weights: str = Field(description="SHA-256 of the bundle's weights")
    asr_model: str
    sessions: list[SessionEntry] = Field([])


class _Step(Strict):
    session: str


class SoundStep(_Step):
    """The next block of sound was taken; ``offset_ms`` from the session's time to its room's, where it has changed."""

    do: Literal["sound"] = "sound"
    time_ms: float
    samples: int
    offset_ms: float | None = None


class FrameStep(_Step):
    """The next frame was taken; the session's frames are counted from 0."""

    do: Literal["frame"] = "frame"
    time_ms: float
    frame: int
    offset_ms: float | None = None


class PollStep(_Step):
    """The session went on with what had been delivered to it, without media."""

    do: Literal["poll"] = "poll"


class EndStep(_Step):
    """The media ended."""

    do: Literal["end"] = "end"


class TranscriptStep(_Step):
    """What was heard of the session's ``asked``-th stretch, from 0, was delivered to it.

    ``words`` are text, start, end and probability; ``failed`` says why there are none, ``dropped`` that there was no
    time for it.
    """

    do: Literal["transcript"] = "transcript"
    asked: int
    start_ms: float
    text: str = ""
    words: list[tuple[str, float, float, float]] = Field([])
    language: str = ""
    rejected: str | None = None
    doubted: str | None = None
    failed: str | None = None
    dropped: bool = False

    @classmethod
    def of(cls, session: str, asked: int, start_ms: float, transcript: Transcript) -> "TranscriptStep":
        """Return the step that delivers a transcript."""
        words = [(word.text, word.start_ms, word.end_ms, word.probability) for word in transcript.words]
        return cls(
            session=session,
            asked=asked,
            start_ms=start_ms,
            text=transcript.text,
            words=words,
            language=transcript.language,
            rejected=transcript.rejected,
            doubted=transcript.doubted,
        )

    @property
    def transcript(self) -> Transcript:
        """What was heard."""
        words = tuple(Word(*word) for word in self.words)
        return Transcript(self.text, words, self.language, self.rejected, self.doubted)


class AnalyzedFrameStep(_Step):
    """A frame had been analyzed, and counts from now on; frames were looked at ``interval_ms`` apart."""

    do: Literal["analyzed"] = "analyzed"
    frame: int
    interval_ms: int


class SkippedFrameStep(_Step):
    """A frame was taken up but not analyzed: it was late, or analysis ``failed``."""

    do: Literal["skipped"] = "skipped"
    frame: int
    failed: str | None = None


class SpeakingStep(_Step):
    """What was sought of the utterance that goes on was ``told``, or given up for lack of time."""

    do: Literal["speaking"] = "speaking"
    told: bool = True


Step = Annotated[
    SoundStep | FrameStep | PollStep | EndStep | TranscriptStep | AnalyzedFrameStep | SkippedFrameStep | SpeakingStep,
    Field(discriminator="do"),
]
STEP: Final[TypeAdapter[Step]] = TypeAdapter(Step)


def line_of(step: Step) -> str:
    """Return a step as a line of JSON, without what is as usual."""
    usual = {name for name, field in type(step).model_fields.items() if getattr(step, name) == field.default}
    return step.model_dump_json(exclude=usual - {"do"})


def read_about(folder: Path) -> About:
    """Return what recording.json says.

    Raises:
        RecordingError: there is none, or it is of another version or damaged.
    """
    path = folder / ABOUT
    try:
        return About.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        message = f"{folder} is no recording: it has no {ABOUT}; name one of the folders in the one of --record"
        raise RecordingError(message) from None
    except OSError as error:
        message = f"{path} can't be read: {error.strerror}"
        raise RecordingError(message) from None
    except ValidationError as error:
        message = f"{path} was made by another version, or is damaged: {problems_of(error)[0]}"
        raise RecordingError(message) from None


def read_lines(path: Path, adapter: "TypeAdapter[Line]") -> Iterator[Line]:
    """Yield the lines of a file, but a last one that is not whole; nothing if there is no such file.

    Raises:
        RecordingError: a line can't be understood.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            try:
                yield adapter.validate_json(line)
            except ValidationError as error:
                message = f"{path}, line {number} can't be understood: {problems_of(error)[0]}"
                raise RecordingError(message) from None
