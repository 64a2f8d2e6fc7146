"""What a client may set for its own session."""

from typing import Annotated, Final

from pydantic import AfterValidator, Field, model_validator

from wire.strict import Strict

Milliseconds = Annotated[int, Field(ge=0, le=600_000)]


def _at_most_every_second(interval_ms: int) -> int:
    """Return an interval; raise :class:`ValueError` when it is shorter than a second."""
    if 0 < interval_ms < _SECOND_MS:
        message = f"at least {_SECOND_MS}, or 0 for none, not {interval_ms}"
        raise ValueError(message)
    return interval_ms


_SECOND_MS: Final = 1_000
SpeakingInterval = Annotated[Milliseconds, AfterValidator(_at_most_every_second)]


class SegmenterSettings(Strict):
    """When an utterance starts and ends."""

    threshold: float = Field(0.5, gt=0, lt=1, description="speech probability from which speech starts")
    release: float = Field(0.35, gt=0, lt=1, description="speech probability below which silence starts")
    min_speech_ms: Milliseconds = Field(96, description="speech this long starts an utterance")
    pre_roll_ms: Milliseconds = Field(300, description="sound kept from before the detected start")
    likely_end_ms: Milliseconds = Field(200, description="silence after which transcription starts on suspicion")
    confirmed_end_ms: Milliseconds = Field(500, description="silence that ends the utterance")
    post_roll_ms: Milliseconds = Field(200, description="silence kept at the end of the utterance")
    min_utterance_ms: Milliseconds = Field(250, description="less speech than this is no utterance")
    max_utterance_ms: Milliseconds = Field(15_000, ge=2_000, description="cut at the best pause at the latest here")
    min_sentence_ms: Milliseconds = Field(600, description="a shorter sentence stays with the next one")
    sentence_words: int = Field(
        2, ge=1, le=10, description="words of the next sentence seen before a sentence is cut off"
    )
    gap_ms: Milliseconds = Field(100, ge=1, description="missing sound longer than this counts as silence")

    @model_validator(mode="after")
    def _ordered(self) -> "SegmenterSettings":
        if self.release > self.threshold:
            message = "segmenter.release must not exceed segmenter.threshold"
            raise ValueError(message)
        if not self.likely_end_ms <= self.confirmed_end_ms < self.max_utterance_ms:
            message = "need segmenter.likely_end_ms <= confirmed_end_ms < max_utterance_ms"
            raise ValueError(message)
        if self.pre_roll_ms + self.min_speech_ms >= self.max_utterance_ms:
            message = "segmenter.pre_roll_ms and min_speech_ms together must be less than max_utterance_ms"
            raise ValueError(message)
        return self


class ClientSettings(Strict):
    """What a WebSocket client may set for its own session, before its first media."""

    speaker: str | None = Field(None, min_length=1, max_length=64, description="the participant's name")
    segmenter: SegmenterSettings | None = None
    language: str | None = Field(None, pattern=r"^[a-z]{2,3}$")
    partial_transcripts: bool = True
    speaking_interval_ms: SpeakingInterval | None = Field(
        None, description="from one provisional emotion to the next, at least the server's; 0: none is told"
    )
    faces: bool = True
    consent: bool = Field(default=False, description="the participant was told that emotion is analyzed, and agreed")
