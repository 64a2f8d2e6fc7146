from dataclasses import replace

import numpy as np
import pytest
import torch

from models.labels import LABELS
from trainer.dialogs.drawn import DrawnJudge, DrawnMedia
from trainer.dialogs.feature_bank import FeatureBank
from trainer.dialogs.features import DialogFeatures, collate
from trainer.dialogs.logits import full_logits
from trainer.dialogs.pairing import PairingSettings
from trainer.stages.fusion import FusionSettings, FusionStage

DIM = 16


def bank(seed: int) -> FeatureBank:
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(LABELS)), 4)
    return FeatureBank.of(generator.standard_normal((28, 2, DIM)).astype(np.float32), labels, ["a", "b"] * 14)


def dialogs(count: int) -> list[DialogFeatures]:
    generator = np.random.default_rng(1)
    return [
        DialogFeatures(
            list(generator.standard_normal((n, DIM)).astype(np.float32)),
            *[[None] * n] * 3,
            generator.integers(0, 7, n).tolist(),
        )
        for n in generator.integers(1, 6, count).tolist()
    ]


@pytest.fixture
def stage() -> FusionStage:
    spoken = [DialogFeatures([None], [np.ones(DIM, np.float32)], [None], [None], [label]) for label in range(7)]
    return FusionStage(
        dialogs(9),
        dialogs(3),
        len(LABELS),
        FusionSettings(batch=4, regime="causal"),
        widths={"audio": DIM, "face": DIM},
        change=DrawnMedia(bank(0), bank(1), PairingSettings()),
        judge=DrawnJudge(dialogs(3), spoken, spoken, spoken, text_weighted_f1=0.0),
    )


def test_an_epoch_has_every_dialog_and_finite_losses(stage: FusionStage) -> None:
    batches = list(stage.batches(0, np.random.default_rng(0)))
    assert len(batches) == stage.steps() == 3
    assert sum(len(labels) for _, labels in batches) == 9
    assert all(torch.isfinite(stage.loss(batch)) for batch in batches)


def test_the_same_seed_draws_the_same_batches(stage: FusionStage) -> None:
    one, other = (list(stage.batches(0, np.random.default_rng(5))) for _ in range(2))
    for (left, _), (right, _) in zip(one, other, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(left.inputs(), right.inputs(), strict=True))


def test_absent_features_and_padding_are_masked_not_zeros_passed_off_as_data(stage: FusionStage) -> None:
    voice = np.ones(DIM, np.float32)
    examples = [
        DialogFeatures([voice, None], [None, voice], [None, None], [None, None], [1, 2]),
        DialogFeatures([voice], [voice], [voice], [None], [3]),
    ]
    batch, labels = collate(examples, stage.config)
    assert batch.valid.tolist() == [[True, True], [True, False]]
    assert batch.text_present.tolist() == [[True, False], [True, False]]
    assert batch.audio_present.tolist() == [[False, True], [True, False]]
    assert batch.face_present.tolist() == [[False, False], [True, False]]
    assert not batch.scene_present.any()
    assert labels.tolist() == [[1, 2], [3, -100]]


def test_logits_come_back_in_order_whatever_the_batches(stage: FusionStage) -> None:
    examples = stage.dev
    together = full_logits(stage.model, examples, stage.config)
    apart = np.concatenate([full_logits(stage.model, [example], stage.config) for example in examples])
    assert together.shape == (sum(len(dialog.labels) for dialog in stage.dev), 7)
    assert together == pytest.approx(apart, abs=1e-4)


def test_dev_metrics_have_what_the_checkpoint_is_chosen_by(stage: FusionStage) -> None:
    metrics = stage.evaluate(stage.model)
    assert metrics["score"] == pytest.approx(np.mean([value for key, value in metrics.items() if key != "score"]))


def test_what_text_alone_loses_by_the_fusion_counts_against_a_checkpoint(stage: FusionStage) -> None:
    metrics = stage.evaluate(stage.model)
    assert isinstance(stage.judge, DrawnJudge)
    stage.judge = replace(stage.judge, text_weighted_f1=metrics["text_weighted_f1"] + 0.01)
    assert stage.evaluate(stage.model)["score"] == pytest.approx(metrics["score"] - 0.05)


def test_a_bank_draws_of_the_label_asked_for() -> None:
    found = bank(0)
    generator = np.random.default_rng(0)
    for label in range(7):
        allowed = found.views[4 * label : 4 * label + 4].reshape(-1, DIM)
        drawn = found.draw(label, generator)
        assert any(np.array_equal(drawn, view) for view in allowed)


def test_a_label_without_examples_is_told() -> None:
    with pytest.raises(ValueError, match="no example of anger"):
        FeatureBank.of(np.zeros((6, 1, DIM), np.float32), np.arange(6), ["a"] * 6)


def test_words_of_others_are_drawn_of_the_same_emotions() -> None:
    found, dialog = bank(2), dialogs(1)[0]
    media = DrawnMedia(bank(0), bank(1), PairingSettings(other_words=1.0, crop_rate=0.0, expressive_share=0.0), found)
    changed = media(dialog, np.random.default_rng(3))
    for text, label in zip(changed.text, dialog.labels, strict=True):
        of_label = found.views[4 * label : 4 * label + 4].reshape(-1, DIM)
        assert text is None or any(np.array_equal(text, view) for view in of_label)
