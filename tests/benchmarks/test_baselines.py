from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from baselines import BASELINES, BaselineName, majority_predictions
from trainer.dialogs.features import MODALITIES, DialogFeatures
from trainer.fit.loop import FitSettings, fit
from trainer.fit.outputs import Floats
from trainer.stages.fusion import FusionSettings, FusionStage, NetworkKind, fusion_config

CLASSES = 3
LENGTH = 6
WIDTH = 8
SETTINGS = FusionSettings(
    fit=FitSettings(epochs=3, select="weighted_f1", ema_decay=0.5, bf16=False), dropout=0.0, rate=2e-2, batch=32
)
RECURRENT: list[BaselineName] = ["bc_lstm", "dialogue_rnn"]
SMALL = {"bc_lstm": {"hidden": 16}, "dialogue_rnn": {"state": 16, "emotion": 16}}


def embedding(generator: np.random.Generator) -> Floats:
    return generator.standard_normal(WIDTH).astype(np.float32)


def dialog(seed: int, utterances: int = LENGTH) -> DialogFeatures:
    generator = np.random.default_rng(seed)
    features = [
        [embedding(generator) if generator.random() < 0.7 else None for _ in range(utterances)] for _ in MODALITIES
    ]
    speakers = [str(generator.integers(3)) for _ in range(utterances)]
    return DialogFeatures(*features, generator.integers(0, CLASSES, utterances).tolist(), speakers)


def built(name: BaselineName, *, causal: bool) -> tuple[nn.Module, NetworkKind]:
    torch.manual_seed(0)
    kind = BASELINES[name]
    return kind.build(replace(CONFIG, causal=causal)).eval(), kind


CONFIG = fusion_config([dialog(seed) for seed in range(4)], CLASSES, SETTINGS)


@torch.inference_mode()
def run(model: nn.Module, kind: NetworkKind, dialogs: list[DialogFeatures]) -> Tensor:
    batch, _ = kind.collate(dialogs, CONFIG)
    logits: Tensor = model(*batch.inputs())
    return logits


def changed_from(whole: DialogFeatures, at: int, seed: int) -> DialogFeatures:
    """The same dialog up to ``at``, and another one from there: other embeddings, other gaps, other speakers."""
    other = dialog(seed)
    return DialogFeatures(
        *([*getattr(whole, name)[:at], *getattr(other, name)[at:]] for name in MODALITIES),
        whole.labels,
        [*whole.speakers[:at], *other.speakers[at:]],
    )


@pytest.mark.parametrize("name", BASELINES)
@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(1, LENGTH - 1))
def test_the_future_changes_nothing_in_the_past_of_a_causal_network(
    name: BaselineName, seed: int, other: int, at: int
) -> None:
    model, kind = built(name, causal=True)
    whole = dialog(seed)
    before, after = (run(model, kind, [found])[0, :at] for found in (whole, changed_from(whole, at, other)))
    torch.testing.assert_close(before, after, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", RECURRENT)
def test_a_network_in_both_directions_sees_the_future(name: BaselineName) -> None:
    model, kind = built(name, causal=False)
    before, after = (run(model, kind, [found])[0, 0] for found in (dialog(0), changed_from(dialog(0), 3, 9)))
    assert (before - after).abs().max() > 1e-5


@pytest.mark.parametrize("name", RECURRENT)
@pytest.mark.parametrize("causal", [True, False])
def test_the_past_matters(name: BaselineName, *, causal: bool) -> None:
    model, kind = built(name, causal=causal)
    whole, other = dialog(0), dialog(9)
    mixed = replace(whole, text=[*other.text[:3], *whole.text[3:]])
    assert (run(model, kind, [whole])[0, -1] - run(model, kind, [mixed])[0, -1]).abs().max() > 1e-6


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("causal", [True, False])
def test_padding_and_the_rest_of_the_batch_change_nothing(name: BaselineName, *, causal: bool) -> None:
    model, kind = built(name, causal=causal)
    short = dialog(1, utterances=3)
    alone, together = run(model, kind, [short]), run(model, kind, [dialog(0), short, dialog(2)])
    torch.testing.assert_close(alone[0], together[1, :3], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("causal", [True, False])
def test_what_stands_where_a_modality_is_absent_never_reaches_output_or_gradient(
    name: BaselineName, *, causal: bool
) -> None:
    model, kind = built(name, causal=causal)
    batch, _ = kind.collate([dialog(0), dialog(1, utterances=4)], CONFIG)
    spoilt = {
        part: getattr(batch, part).masked_fill(~getattr(batch, f"{part}_present").unsqueeze(-1), float("nan"))
        for part in MODALITIES
    }
    logits = model(*replace(batch, **spoilt).inputs())
    torch.testing.assert_close(logits, model(*batch.inputs()), rtol=0, atol=0)
    logits[batch.valid].square().sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_dialogue_rnn_knows_who_speaks() -> None:
    model, kind = built("dialogue_rnn", causal=True)
    whole = replace(dialog(0), speakers=["a", "b", "a", "b", "a", "b"])
    alone = replace(whole, speakers=())
    renamed = replace(whole, speakers=["x", "y", "x", "y", "x", "y"])
    by_name, by_none, by_other = (run(model, kind, [found]) for found in (whole, alone, renamed))
    assert (by_name - by_none).abs().max() > 1e-5
    torch.testing.assert_close(by_name, by_other)


def rule(generator: np.random.Generator, *, of_the_one_before: bool) -> DialogFeatures:
    """The label is the largest of the first numbers of the utterance's own text, or of the one before."""
    texts = [embedding(generator) for _ in range(LENGTH)]
    own = [int(text[:CLASSES].argmax()) for text in texts]
    labels = [own[0], *own[:-1]] if of_the_one_before else own
    voices = [embedding(generator) for _ in range(LENGTH)]
    nothing = [None] * LENGTH
    return DialogFeatures(texts, voices, nothing, nothing, labels, ["a", "b"] * (LENGTH // 2))


@pytest.mark.slow
@pytest.mark.parametrize("name", BASELINES)
def test_it_learns_a_rule_of_an_utterance_or_of_the_one_before(name: BaselineName, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    rules = [rule(generator, of_the_one_before=name in RECURRENT) for _ in range(160)]
    kind = replace(BASELINES[name], build=partial(BASELINES[name].build, **SMALL.get(name, {})))
    stage = FusionStage(4 * rules[16:], rules[:16], CLASSES, replace(SETTINGS, regime="causal"), kind)
    assert fit(stage, SETTINGS.fit, tmp_path)["weighted_f1"] > 0.7


def test_the_majority_is_that_of_the_training_labels() -> None:
    train = [replace(dialog(0), labels=[2, 2, 2, 2, 1, 0])]
    assert majority_predictions(train, [dialog(1, 2), dialog(2, 3)]).tolist() == [2] * 5
