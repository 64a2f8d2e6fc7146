import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.labels import LABELS
from trainer.dialogs.pairing import NEUTRAL, PATTERNS, PairingSettings, pair_dialog

JOY = LABELS.index("joy")
labels = st.lists(st.integers(0, len(LABELS) - 1), min_size=1, max_size=20)


@given(labels, st.integers(0, 2**32 - 1))
def test_every_utterance_has_something_and_words_keep_their_emotion(truth: list[int], seed: int) -> None:
    pairs = pair_dialog(truth, PairingSettings(), np.random.default_rng(seed))
    for label, pair in zip(truth, pairs, strict=True):
        assert pair.has_text or pair.voice is not None or pair.face is not None
        if label != NEUTRAL:
            assert pair.label == label, "what MELD labels with an emotion is never relabelled"


@given(labels, st.integers(0, 2**32 - 1))
def test_words_alone_are_never_relabelled(truth: list[int], seed: int) -> None:
    pairs = pair_dialog(truth, PairingSettings(), np.random.default_rng(seed))
    for label, pair in zip(truth, pairs, strict=True):
        if pair.voice is None and pair.face is None:
            assert pair.label == label


def test_without_mismatch_voice_and_face_have_the_label() -> None:
    settings = PairingSettings(max_mismatch=0)
    for seed in range(50):
        for pair in pair_dialog([JOY, NEUTRAL] * 5, settings, np.random.default_rng(seed)):
            assert pair.voice in {None, pair.label}
            assert pair.face in {None, pair.label}


def test_the_mismatch_rate_varies_from_dialog_to_dialog() -> None:
    settings = PairingSettings(max_mismatch=0.6, expressive_share=0)
    rates = []
    for seed in range(300):
        voices = [pair.voice for pair in pair_dialog([JOY] * 24, settings, np.random.default_rng(seed))]
        heard = [voice for voice in voices if voice is not None]
        if len(heard) > 20:
            rates.append(np.mean([voice != JOY for voice in heard]))
    assert min(rates) < 0.1
    assert max(rates) > 0.4


def test_neutral_words_are_at_times_said_with_emotion() -> None:
    pairs = [
        pair
        for seed in range(200)
        for pair in pair_dialog([NEUTRAL] * 5, PairingSettings(), np.random.default_rng(seed))
    ]
    assert any(pair.label != NEUTRAL and pair.has_text and pair.voice == pair.label for pair in pairs)
    assert sum(pair.label == NEUTRAL for pair in pairs) > len(pairs) / 2


def test_all_seven_subsets_of_modalities_occur() -> None:
    assert abs(sum(weight for _, weight in PATTERNS) - 1) < 1e-9
    assert len({frozenset(modalities) for modalities, _ in PATTERNS}) == 7


def test_which_modalities_a_dialog_has_can_be_set() -> None:
    settings = PairingSettings(drop_one=0, expressive_share=0, patterns=((("text", "face"), 1.0),))
    for seed in range(20):
        for pair in pair_dialog([JOY, NEUTRAL], settings, np.random.default_rng(seed)):
            assert pair.has_text
            assert pair.voice is None
            assert pair.face is not None
