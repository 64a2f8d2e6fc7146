"""What turns out to be somebody else's is told as if that had been known at once."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_bundle import tiny_bundle, with_whisper
from waiting import PATIENCE_S

from models.runtime.runtime import Branch, Runtime
from models.runtime.torch_engine import TorchEngine
from stream.dialog.dialog import DialogUtterance
from stream.dialog.moves import SpeakerMoves
from stream.dialog.recognizer import Recognition, Recognizer
from stream.dialog.session_context import SessionContext
from stream.dialog.shared_dialog import SharedDialog
from stream.dialog.voices import Voices

WORDS = ("i am so happy", "you are angry", "what a day", "go away", "i see", "no")


@pytest.fixture(scope="module")
def runtime() -> Iterator[Runtime]:
    knowing = with_whisper(tiny_bundle(), baseline=True)
    with Runtime(knowing, TorchEngine(knowing)) as started:
        yield started


@pytest.fixture(scope="module")
def voices(runtime: Runtime) -> list[Branch]:
    generator = np.random.default_rng(0)
    heard = (runtime.audio(0.1 * generator.standard_normal(16_000, np.float32)) for _ in WORDS)
    return [branch for each in heard if (branch := each.result(PATIENCE_S)) is not None]


class Conversation:
    """One session that tells utterances, and what it has told last of each."""

    def __init__(self, runtime: Runtime, heard: list[Branch], window: int = 16) -> None:
        context = SessionContext(SharedDialog(window))
        self._heard = heard
        self._voices = Voices(runtime, context, session="", enabled=True)
        self._recognizer = Recognizer(runtime, context.dialog)
        self._moves = SpeakerMoves(self._recognizer, self._voices)
        self.told: dict[int, tuple[int, Recognition]] = {}

    def say(self, number: int, speaker: str) -> None:
        voice = self._voices.told(self._heard[number], speaker)
        utterance = DialogUtterance(
            number, speaker, 1000.0 * number, 1000.0 * number + 800, WORDS[number], baseline=voice.baseline
        )
        kept = self._recognizer.keep(self._recognizer.recognize(utterance, voice.branch))
        self._moves.keep(kept.recognition, self._heard[number], voice)
        self._tell([(kept.revision, kept.recognition)])
        self._tell(self._recognizer.revisions(kept))

    def move(self, moved: dict[int, str]) -> None:
        self._tell(self._moves.move(moved))

    def _tell(self, found: list[tuple[int, Recognition]]) -> None:
        for revision, recognition in found:
            number = recognition.utterance.id
            assert number not in self.told or revision > self.told[number][0]
            self.told[number] = revision, recognition
            self._moves.told(recognition)

    def state(self) -> list[tuple[str, int, tuple[float, ...]]]:
        return [
            (found.utterance.speaker, found.utterance.baseline, tuple(found.probabilities.values()))
            for _, (_, found) in sorted(self.told.items())
        ]


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(st.sampled_from(["Ann", "Ben", "Cleo"]), min_size=len(WORDS), max_size=len(WORDS)),
    st.lists(st.sampled_from(["Ann", "Ben", "Cleo"]), min_size=len(WORDS), max_size=len(WORDS)),
)
def test_it_is_as_if_it_had_been_known_at_once(
    runtime: Runtime, voices: list[Branch], first: list[str], right: list[str]
) -> None:
    late, known = Conversation(runtime, voices), Conversation(runtime, voices)
    for number, (supposed, name) in enumerate(zip(first, right, strict=True)):
        late.say(number, supposed)
        known.say(number, name)
    late.move({number: name for number, name in enumerate(right) if name != first[number]})
    for one, other in zip(late.state(), known.state(), strict=True):
        assert one[:2] == other[:2]
        assert one[2] == pytest.approx(other[2], abs=0.02), "but for what is too little to be told"


def test_only_what_has_changed_is_told(runtime: Runtime, voices: list[Branch]) -> None:
    talk = Conversation(runtime, voices)
    for number in range(4):
        talk.say(number, "Ann")
    before = {number: revision for number, (revision, _) in talk.told.items()}
    talk.move({})
    assert before == {number: revision for number, (revision, _) in talk.told.items()}
    talk.move({3: "Ben"})
    assert talk.told[3][0] == before[3] + 1
    assert talk.told[3][1].utterance.speaker == "Ben"
    assert talk.told[0][1].utterance.speaker == "Ann"


def test_what_the_dialog_has_forgotten_is_told_by_its_new_name_alone(runtime: Runtime, voices: list[Branch]) -> None:
    talk = Conversation(runtime, voices, window=2)
    for number in range(4):
        talk.say(number, "Ann")
    revision, found = talk.told[0]
    talk.move({0: "Ben"})
    again, renamed = talk.told[0]
    assert again == revision + 1
    assert (renamed.utterance.speaker, renamed.probabilities) == ("Ben", found.probabilities)
