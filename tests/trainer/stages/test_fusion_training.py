from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.dialog_window import FusionConfig
from models.networks.fusion import M2FNet
from trainer.dialogs.features import MODALITIES, STREAMS, DialogFeatures, collate, collate_spoken, truth
from trainer.dialogs.logits import after_next_logits, full_logits, moment_logits
from trainer.fit.loop import FitSettings, fit
from trainer.fit.outputs import Floats
from trainer.stages.fusion import FusionDataError, FusionSettings, FusionStage, Regime, drop_modalities, fusion_config
from trainer.stages.imbalance import ImbalanceSettings

WIDTHS = {"text": 16, "audio": 8, "face": 8, "scene": 4}
CLASSES = 3
FIT = FitSettings(epochs=2, select="weighted_f1", ema_decay=0.5, bf16=False)
SETTINGS = FusionSettings(fit=FIT, fusion_layers=2, dropout=0.1, rate=4e-3, batch=8)
View = Callable[[torch.nn.Module, Sequence[DialogFeatures], FusionConfig], Floats]


def dialog(generator: np.random.Generator, utterances: int, present: float = 0.8) -> DialogFeatures:
    """Random embeddings, some absent; the label is the largest of three numbers that text, voice and face sum up to."""
    features = {
        name: [generator.standard_normal(width).astype(np.float32) for _ in range(utterances)]
        for name, width in WIDTHS.items()
    }
    sums = [text[:CLASSES] + audio[:CLASSES] for text, audio in zip(features["text"], features["audio"], strict=True)]
    gaps = {
        name: [one if name == "text" or generator.random() < present else None for one in rows]
        for name, rows in features.items()
    }
    names = [str(generator.integers(2)) for _ in range(utterances)]
    return DialogFeatures(**gaps, labels=[int(row.argmax()) for row in sums], speakers=names)


def dialogs(count: int, seed: int = 0, longest: int = 6) -> list[DialogFeatures]:
    generator = np.random.default_rng(seed)
    return [dialog(generator, int(generator.integers(1, longest + 1))) for _ in range(count)]


def stage(regime: Regime = "full", **changes: object) -> FusionStage:
    changed = replace(SETTINGS, regime=regime, **changes)  # type: ignore[arg-type]
    return FusionStage(dialogs(20), dialogs(9, seed=1), CLASSES, changed)


def network(*, causal: bool) -> tuple[M2FNet, FusionConfig]:
    torch.manual_seed(0)
    config = replace(fusion_config(dialogs(3), CLASSES, SETTINGS), causal=causal)
    return M2FNet(config).eval(), config


def one_by_one(model: M2FNet, found: Sequence[DialogFeatures], config: FusionConfig, later: int) -> Floats:
    """What each utterance is said to be after so many later ones, every prefix passed through the network alone."""
    rows = [
        full_logits(model, [whole.first(place + 1 + later)], config)[place]
        for whole in found
        for place in range(len(whole.labels))
    ]
    return np.stack(rows)


@pytest.mark.parametrize(("view", "later"), [(moment_logits, 0), (after_next_logits, 1)])
@pytest.mark.parametrize("causal", [False, True])
def test_prefixes_in_batches_give_what_each_gives_alone(view: View, later: int, *, causal: bool) -> None:
    model, config = network(causal=causal)
    found = dialogs(40, longest=5)
    assert view(model, found, config) == pytest.approx(one_by_one(model, found, config, later), abs=1e-5)


def test_a_non_causal_network_revises_and_a_causal_one_does_not() -> None:
    found = [dialog(np.random.default_rng(0), 5)]
    model, config = network(causal=False)
    assert np.abs(moment_logits(model, found, config) - full_logits(model, found, config))[:-1].max() > 1e-4
    assert moment_logits(model, found, config)[-1] == pytest.approx(full_logits(model, found, config)[-1], abs=1e-5)
    model, config = network(causal=True)
    assert moment_logits(model, found, config) == pytest.approx(full_logits(model, found, config), abs=1e-5)


def test_no_dialogs_have_no_logits() -> None:
    model, config = network(causal=False)
    assert all(view(model, [], config).shape == (0, CLASSES) for view in (full_logits, moment_logits))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.floats(0, 0.95), st.floats(0, 0.95))
def test_of_what_an_utterance_has_something_always_stays(seed: int, by_dialog: float, by_utterance: float) -> None:
    generator = np.random.default_rng(seed)
    before = dialog(generator, 5)
    after = drop_modalities(before, by_dialog, by_utterance, generator)
    assert after.labels == before.labels
    assert after.speakers == before.speakers
    for place in range(5):
        kept = [name for name in MODALITIES if getattr(after, name)[place] is not None]
        assert kept
        assert all(getattr(after, name)[place] is getattr(before, name)[place] for name in kept)


def test_without_rates_nothing_is_dropped() -> None:
    whole = dialog(np.random.default_rng(0), 4)
    assert drop_modalities(whole, 0.0, 0.0, np.random.default_rng(1)) == whole


def test_a_dialog_loses_face_and_scene_together() -> None:
    generator = np.random.default_rng(0)
    seen = set()
    for _ in range(200):
        after = drop_modalities(dialog(generator, 3, present=1.0), 0.5, 0.0, generator)
        kept = tuple(
            stream for stream in STREAMS if any(one is not None for name in stream for one in getattr(after, name))
        )
        assert all(one is not None for stream in kept for name in stream for one in getattr(after, name))
        seen.add(kept)
    assert len(seen) == 7, "every subset of the three"


def test_dropping_happens_at_about_the_rate_that_is_set() -> None:
    generator = np.random.default_rng(0)
    many = [drop_modalities(dialog(generator, 4, present=1.0), 0.0, 0.2, generator) for _ in range(100)]
    absent = [one is None for found in many for name in MODALITIES for one in getattr(found, name)]
    assert np.mean(absent) == pytest.approx(0.2, abs=0.03)


def test_prefix_training_cuts_dialogs_and_the_other_regimes_do_not() -> None:
    whole = sum(len(found.labels) for found in dialogs(20))
    for regime, cut in (("full", False), ("causal", False), ("prefix", True)):
        batches = list(stage(regime, cut_rate=1.0).batches(0, np.random.default_rng(0)))  # type: ignore[arg-type]
        seen = sum(int(features.valid.sum()) for features, _ in batches)
        assert sum(len(labels) for _, labels in batches) == 20
        assert (seen < whole) == cut


def test_the_same_seed_draws_the_same_batches() -> None:
    trained = stage("prefix", dialog_dropout=0.3, utterance_dropout=0.1)
    one, other = (list(trained.batches(0, np.random.default_rng(5))) for _ in range(2))
    for (left, _), (right, _) in zip(one, other, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(left.inputs(), right.inputs(), strict=True))


@pytest.mark.parametrize("regime", ["full", "causal", "prefix"])
def test_dev_is_judged_as_the_regime_sees_it(regime: Regime) -> None:
    trained = stage(regime)
    view = moment_logits if regime == "prefix" else full_logits
    right = view(trained.model, trained.dev, trained.config).argmax(axis=1) == truth(trained.dev)
    metrics = trained.evaluate(trained.model)
    assert metrics["accuracy"] == pytest.approx(right.mean())
    assert set(metrics) == {"weighted_f1", "macro_f1", "accuracy"}
    assert trained.config.causal == (regime == "causal")


@pytest.mark.slow
@pytest.mark.parametrize("remedy", ["none", "class_balanced", "focal", "logit_adjustment"])
def test_it_learns_a_rule_of_text_and_voice(tmp_path: Path, remedy: str) -> None:
    generator = np.random.default_rng(0)
    train, dev = ([dialog(generator, 4, present=1.0) for _ in range(count)] for count in (96, 16))
    changed = replace(SETTINGS, imbalance=ImbalanceSettings(remedy=remedy), fusion_layers=1, dropout=0.0)  # type: ignore[arg-type]
    trained = FusionStage(4 * train, dev, CLASSES, changed)
    assert fit(trained, FIT, tmp_path)["weighted_f1"] > 0.65


def test_padding_has_no_part_in_the_loss() -> None:
    trained = stage()
    trained.model.eval()
    features, labels = collate(trained.train[:4], trained.config)
    apart = [trained.loss(collate([found], trained.config)) * len(found.labels) for found in trained.train[:4]]
    whole = torch.stack(apart).sum() / int(features.valid.sum())
    torch.testing.assert_close(trained.loss((features, labels)), whole, rtol=1e-4, atol=1e-5)


def test_widths_are_those_of_the_embeddings_or_given_where_there_are_none() -> None:
    words = [found.only(["text"]) for found in dialogs(3)]
    config = fusion_config(words, CLASSES, SETTINGS, {"audio": 12})
    assert (config.text_dim, config.audio_dim, config.face_dim, config.scene_dim) == (16, 12, 300, 300)


def test_speakers_are_numbered_as_they_first_speak() -> None:
    config = fusion_config(dialogs(3), CLASSES, SETTINGS)
    first, second = dialogs(2, longest=3)
    batch, _ = collate_spoken(
        [replace(first, speakers=["Ross", "Anna", "Ross"][: len(first.labels)]), replace(second, speakers=())], config
    )
    assert batch.parties[0, : len(first.labels)].tolist() == [0, 1, 0][: len(first.labels)]
    assert not batch.parties[1].any()


def test_a_dialog_cut_short_keeps_who_spoke() -> None:
    whole = dialog(np.random.default_rng(0), 5)
    assert whole.first(2).speakers == whole.speakers[:2]
    assert replace(whole, speakers=()).first(2).speakers == ()


@pytest.mark.parametrize(
    ("train", "told"),
    [
        ([], "train has no dialogs"),
        ([DialogFeatures([], [], [], [], [])], "without utterances"),
        ([DialogFeatures([np.ones(4, np.float32)], [None], [None], [None], [3])], r"labels \[3\]"),
        (
            [DialogFeatures([np.ones(n, np.float32) for n in (4, 8)], *[[None, None]] * 3, [0, 1])],
            "different shapes",
        ),
    ],
)
def test_dialogs_that_cannot_be_trained_on_are_refused(train: list[DialogFeatures], told: str) -> None:
    with pytest.raises(FusionDataError, match=told):
        FusionStage(train, dialogs(2), CLASSES, SETTINGS)


def test_depths_and_dropout_are_checked() -> None:
    for changes in ({"encoders": 0}, {"fusion_layers": 0}, {"dropout": 1.0}):
        with pytest.raises(ValueError, match=next(iter(changes))):
            FusionConfig(16, **changes)
