from collections.abc import Iterator

import numpy as np
import pytest

from models.bundle import Bundle
from models.fusion import FusionConfig, M2FNet
from models.runtime.runtime import Runtime
from models.runtime.torch_engine import TorchEngine
from stream.dialog import DialogUtterance
from stream.recognizer import Recognizer

FACE = np.ones(24, np.float32)


def sound(seed: int) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(16_000)).astype(np.float32)


def said(identity: int, words: str = "i am so happy", face: np.ndarray | None = None) -> DialogUtterance:
    return DialogUtterance(identity, "anna", 1000.0 * identity, 1000.0 * identity + 800, words, face=face)


@pytest.fixture(scope="module")
def runtime(bundle: Bundle) -> Iterator[Runtime]:
    with Runtime(bundle, TorchEngine(bundle)) as loaded:
        yield loaded


@pytest.fixture
def recognizer(runtime: Runtime) -> Recognizer:
    return Recognizer(runtime, window=4)


def test_an_emotion_has_seven_probabilities_and_says_what_it_rests_on(runtime: Runtime, recognizer: Recognizer) -> None:
    found = recognizer.recognize(said(0, face=FACE), runtime.audio(sound(0)).result())
    assert sum(found.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert found.label == max(found.probabilities, key=lambda label: found.probabilities[label])
    assert found.modalities == ["text", "audio", "face"]


def test_what_is_absent_is_not_named(recognizer: Recognizer) -> None:
    assert recognizer.recognize(said(0), None).modalities == ["text"]
    assert recognizer.recognize(said(0, words="", face=FACE), None).modalities == ["face"]


def test_trying_an_utterance_twice_gives_the_same_and_leaves_no_trace(runtime: Runtime, recognizer: Recognizer) -> None:
    voice = runtime.audio(sound(0)).result()
    first = recognizer.recognize(said(0), voice)
    recognizer.recognize(said(0, words="no never again"), voice)
    assert recognizer.recognize(said(0), voice).probabilities == pytest.approx(first.probabilities, abs=1e-6)


def test_an_utterance_kept_is_context_of_the_next(runtime: Runtime) -> None:
    alone, after = Recognizer(runtime, 4), Recognizer(runtime, 4)
    after.keep(after.recognize(said(0, words="no never again"), runtime.audio(sound(3)).result()))
    voice = runtime.audio(sound(0)).result()
    one, other = alone.recognize(said(1), voice), after.recognize(said(1), voice)
    assert max(abs(one.probabilities[label] - other.probabilities[label]) for label in one.probabilities) > 1e-4


def test_a_causal_bundle_revises_nothing(runtime: Runtime, recognizer: Recognizer) -> None:
    for identity in range(3):
        recognizer.keep(recognizer.recognize(said(identity), runtime.audio(sound(identity)).result()))
        assert recognizer.revisions() == []


def test_a_bundle_that_attends_to_the_future_revises_earlier_utterances(bundle: Bundle) -> None:
    config = FusionConfig(**{**vars(bundle.config.fusion), "causal": False})
    both_ways = M2FNet(config).eval()
    both_ways.load_state_dict(bundle.fusion.state_dict())
    changed = Bundle(
        bundle.config.model_copy(update={"fusion": config}),
        bundle.text,
        bundle.tokenizer,
        bundle.audio,
        bundle.face,
        both_ways,
    )
    with Runtime(changed, TorchEngine(changed)) as runtime:
        recognizer = Recognizer(runtime, window=4)
        recognizer.keep(recognizer.recognize(said(0), runtime.audio(sound(0)).result()))
        assert recognizer.revisions() == []
        recognizer.keep(recognizer.recognize(said(1, words="no never again"), runtime.audio(sound(9)).result()))
        revised = recognizer.revisions()
        assert [item.utterance.id for item in revised] == [0]
        assert recognizer.revisions() == [], "the same revision is not told twice"


def test_the_window_forgets_the_oldest(runtime: Runtime) -> None:
    recognizer = Recognizer(runtime, window=2)
    for identity in range(4):
        recognizer.keep(recognizer.recognize(said(identity), runtime.audio(sound(identity)).result()))
    assert [item.id for item in recognizer.recognize(said(4), None).dialog.utterances] == [3, 4]
