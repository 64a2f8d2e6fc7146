"""What a session believes of the words that were recognized; words it does not believe are an absent modality."""

from dataclasses import replace
from typing import Final

from stream.speech.repetition import RepetitionGuard
from stream.speech.transcript import Transcript
from wire import events

_ADVICE: Final = (
    "its emotion rests on voice and face. If another language is spoken than the speech model knows, or than is set, "
    "choose a multilingual model (transcriber.model, such as base or small) and the language (transcriber.language); "
    "this is told once a session"
)


class Belief:
    """Counts the utterances whose words are not believed, and says so once."""

    def __init__(self) -> None:
        self._refrain = RepetitionGuard()
        self.doubted = 0

    def of(self, transcript: Transcript) -> Transcript:
        """Return the transcript, without words that the model is unsure of and repeats in each utterance."""
        if not self._refrain.holds(transcript):
            return transcript
        return replace(transcript, text="", words=(), doubted="repetition")

    def keep(self, utterance: int, transcript: Transcript) -> list[events.Warning]:
        """Take the words of an utterance that has ended, and return what is to be told of them."""
        if transcript.doubted is None:
            self._refrain.keep(transcript.text)
            return []
        self.doubted += 1
        message = f"the words of utterance {utterance} are not believed ({transcript.doubted}): {_ADVICE}"
        return [events.Warning(code="transcript.doubtful", message=message)] if self.doubted == 1 else []
