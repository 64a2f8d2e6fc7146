from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from models.bundle import Bundle
from models.bundle_config import Thresholds
from models.dialog_window import FusionConfig
from models.networks.fusion import M2FNet
from models.runtime.runtime import Runtime
from models.runtime.torch_engine import TorchEngine
from stream.dialog.dialog import DialogUtterance
from stream.dialog.recognizer import Recognition, Recognizer
from stream.dialog.shared_dialog import SharedDialog

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
    return Recognizer(runtime, SharedDialog(4))


def test_an_emotion_has_seven_probabilities_and_says_what_it_rests_on(runtime: Runtime, recognizer: Recognizer) -> None:
    found = recognizer.recognize(said(0, face=FACE), runtime.audio(sound(0)).result())
    assert sum(found.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert found.label == max(found.probabilities, key=lambda label: found.probabilities[label])
    assert found.modalities == ["text", "audio", "face"]


def test_what_is_absent_is_not_named(recognizer: Recognizer) -> None:
    assert recognizer.recognize(said(0), None).modalities == ["text"]
    assert recognizer.recognize(said(0, words="", face=FACE), None).modalities == ["face"]


def test_an_emotion_is_uncertain_below_the_threshold_of_what_it_rests_on_and_its_probabilities_stay(
    bundle: Bundle,
) -> None:
    with Runtime(bundle, TorchEngine(bundle)) as plain:
        sure = Recognizer(plain, SharedDialog(4)).recognize(said(0), None)
    probable = max(sure.probabilities.values())
    thresholds = Thresholds(fused=0.0, fused_by={"text": probable, "face": 1.0})
    config = bundle.config.model_copy(update={"thresholds": thresholds})
    with Runtime(replace(bundle, config=config), TorchEngine(bundle)) as runtime:
        recognizer = Recognizer(runtime, SharedDialog(4))
        words, seen = recognizer.recognize(said(0), None), recognizer.recognize(said(0, words="", face=FACE), None)
        both = recognizer.recognize(said(0, face=FACE), None)
    assert (words.uncertain, seen.uncertain, both.uncertain) == (False, True, False)
    assert words.probabilities == pytest.approx(sure.probabilities, abs=1e-6)
    assert seen.label == max(seen.probabilities, key=lambda label: seen.probabilities[label])


@pytest.mark.parametrize(("threshold", "uncertain"), [(None, True), (0.0, False), (1.0, True)])
def test_the_setting_counts_more_than_the_bundle(bundle: Bundle, threshold: float | None, uncertain: bool) -> None:
    config = bundle.config.model_copy(update={"thresholds": Thresholds(fused=1.0)})
    with Runtime(replace(bundle, config=config), TorchEngine(bundle)) as runtime:
        recognizer = Recognizer(runtime, SharedDialog(4), threshold=threshold)
        assert recognizer.recognize(said(0), None).uncertain == uncertain


def test_of_a_bundle_without_thresholds_nothing_is_uncertain(recognizer: Recognizer) -> None:
    assert not recognizer.recognize(said(0), None).uncertain


def test_trying_an_utterance_twice_gives_the_same_and_leaves_no_trace(runtime: Runtime, recognizer: Recognizer) -> None:
    voice = runtime.audio(sound(0)).result()
    first = recognizer.recognize(said(0), voice)
    recognizer.recognize(said(0, words="no never again"), voice)
    assert recognizer.recognize(said(0), voice).probabilities == pytest.approx(first.probabilities, abs=1e-6)


def test_an_utterance_kept_is_context_of_the_next(runtime: Runtime) -> None:
    alone, after = Recognizer(runtime, SharedDialog(4)), Recognizer(runtime, SharedDialog(4))
    after.keep(after.recognize(said(0, words="no never again"), runtime.audio(sound(3)).result()))
    voice = runtime.audio(sound(0)).result()
    one, other = alone.recognize(said(1), voice), after.recognize(said(1), voice)
    assert max(abs(one.probabilities[label] - other.probabilities[label]) for label in one.probabilities) > 1e-4


def kept(recognizer: Recognizer, utterance: DialogUtterance, seed: int) -> list[Recognition]:
    """Recognize and keep an utterance and return what it changed."""
    found = recognizer.recognize(utterance, recognizer._runtime.audio(sound(seed)).result())
    return [revised for _, revised in recognizer.revisions(recognizer.keep(found))]


def test_a_causal_bundle_revises_nothing_earlier(recognizer: Recognizer) -> None:
    for identity in range(3):
        assert kept(recognizer, said(identity), identity) == []


def in_room(session: str, start_ms: float, words: str) -> DialogUtterance:
    return DialogUtterance(0, session, 0, 900, words, session=session, room_start_ms=start_ms)


def test_one_that_began_earlier_and_ended_later_revises_what_came_after_it(runtime: Runtime) -> None:
    dialog = SharedDialog(4)
    ann, bob = Recognizer(runtime, dialog), Recognizer(runtime, dialog)
    assert kept(bob, in_room("bob", 1000, "so it is"), 0) == []
    (revised,) = kept(ann, in_room("ann", 500, "no never again"), 9)
    assert (revised.utterance.session, [item.session for item in dialog.now.utterances]) == ("bob", ["ann", "bob"])
    in_order = SharedDialog(4)
    ann, bob = Recognizer(runtime, in_order), Recognizer(runtime, in_order)
    kept(ann, in_room("ann", 500, "no never again"), 9)
    again = bob.recognize(in_room("bob", 1000, "so it is"), runtime.audio(sound(0)).result())
    assert revised.probabilities == pytest.approx(again.probabilities, abs=1e-5)


def test_an_early_result_is_told_anew_where_somebody_was_heard_meanwhile(runtime: Runtime) -> None:
    dialog = SharedDialog(4)
    ann, bob = Recognizer(runtime, dialog), Recognizer(runtime, dialog)
    early = ann.recognize(in_room("ann", 1000, "so it is"), runtime.audio(sound(0)).result())
    kept(bob, in_room("bob", 500, "no never again"), 9)
    assert [(number, item.utterance.session) for number, item in ann.revisions(ann.keep(early))] == [(1, "ann")]


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
        recognizer = Recognizer(runtime, SharedDialog(4))
        assert kept(recognizer, said(0), 0) == []
        found = recognizer.recognize(said(1, words="no never again"), runtime.audio(sound(9)).result())
        now = recognizer.keep(found)
        assert [item.utterance.id for _, item in recognizer.revisions(now)] == [0]
        assert recognizer.revisions(now) == [], "the same revision is not told twice"


def test_the_window_forgets_the_oldest(runtime: Runtime) -> None:
    dialog = SharedDialog(2)
    for identity in range(4):
        kept(Recognizer(runtime, dialog), said(identity), identity)
    assert [item.id for item in dialog.now.utterances] == [2, 3]
    late = replace(said(9), start_ms=-1)
    assert [item.id for item in dialog.now.with_utterance(late).utterances] == [9, 2], "one that is late is still read"
    assert [item.id for item in dialog.now.keeping(late).utterances] == [2, 3]
