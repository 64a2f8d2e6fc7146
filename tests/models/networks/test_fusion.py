from dataclasses import replace

import pytest
import torch
from torch import Tensor

from models.dialog_window import FusionConfig
from models.networks.fusion import DialogBatch, M2FNet

CONFIG = FusionConfig(
    text_dim=16, audio_dim=8, face_dim=8, scene_dim=4, classes=7, encoders=2, fusion_layers=3, heads=4, dropout=0.1
)
FEATURES = ("text", "audio", "face", "scene")
LENGTH = 6


def network(**changes: object) -> M2FNet:
    torch.manual_seed(0)
    return M2FNet(replace(CONFIG, **changes)).eval()  # type: ignore[arg-type]


def dialogs(batch: int = 2, length: int = LENGTH, seed: int = 1) -> DialogBatch:
    generator = torch.Generator().manual_seed(seed)
    widths = (CONFIG.text_dim, CONFIG.audio_dim, CONFIG.face_dim, CONFIG.scene_dim)
    features = [torch.randn(batch, length, width, generator=generator) for width in widths]
    present = [torch.rand(batch, length, generator=generator) > 0.3 for _ in widths]
    return DialogBatch(*features, *present, torch.ones(batch, length, dtype=torch.bool))


def run(model: M2FNet, batch: DialogBatch) -> Tensor:
    with torch.no_grad():
        logits: Tensor = model(*batch.inputs())
    return logits


def edited(batch: DialogBatch, name: str, at: int) -> DialogBatch:
    """Change the feature, or flip the mask, of the utterance ``at`` in every dialog."""
    tensor = getattr(batch, name).clone()
    tensor[:, at] = (
        ~tensor[:, at] if tensor.dtype == torch.bool else tensor[:, at] + 3 * torch.randn_like(tensor[:, at])
    )
    return replace(batch, **{name: tensor})


def everything_present(batch: DialogBatch) -> DialogBatch:
    return replace(batch, **{f"{name}_present": torch.ones_like(batch.valid) for name in FEATURES})


@pytest.mark.parametrize("at", [1, 3, 5])
@pytest.mark.parametrize("name", [*FEATURES, *(f"{name}_present" for name in FEATURES), "valid"])
def test_a_later_utterance_changes_no_earlier_output_of_a_causal_network(name: str, at: int) -> None:
    model, batch = network(), dialogs()
    for start in (batch, everything_present(batch)):
        before, after = run(model, start), run(model, edited(start, name, at))
        assert (before[:, :at] - after[:, :at]).abs().max() <= 1e-6


@pytest.mark.parametrize("name", FEATURES)
def test_an_utterance_does_change_its_own_and_the_following_outputs(name: str) -> None:
    model, batch = network(), everything_present(dialogs())
    change = (run(model, batch) - run(model, edited(batch, name, 2))).abs().amax(dim=(0, 2))
    assert (change[2:] > 1e-4).all()


@pytest.mark.parametrize("name", [*FEATURES, *(f"{name}_present" for name in FEATURES)])
def test_a_later_utterance_changes_earlier_outputs_of_a_network_with_full_context(name: str) -> None:
    model, batch = network(causal=False), everything_present(dialogs())
    assert (run(model, batch)[:, 0] - run(model, edited(batch, name, 5))[:, 0]).abs().max() > 1e-5


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("junk", [float("nan"), float("inf"), 1e30])
def test_what_stands_at_absent_and_padded_positions_never_reaches_output_or_gradient(causal: bool, junk: float) -> None:
    model = network(causal=causal).train(False)
    batch = dialogs()
    valid = batch.valid.clone()
    valid[0, 4:] = False
    batch = replace(batch, valid=valid)
    spoilt = {
        name: torch.where((getattr(batch, f"{name}_present") & valid).unsqueeze(-1), getattr(batch, name), junk)
        for name in FEATURES
    }
    torch.testing.assert_close(run(model, batch), run(model, replace(batch, **spoilt)), rtol=0, atol=0)
    model(*replace(batch, **spoilt).inputs()).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize("causal", [True, False])
def test_padding_does_not_change_the_outputs_of_a_shorter_dialog(causal: bool) -> None:
    model, short = network(causal=causal), dialogs(length=4)
    filler = dialogs(length=3, seed=9)
    padded = DialogBatch(*(torch.cat(pair, dim=1) for pair in zip(short.inputs(), filler.inputs(), strict=True)))
    padded.valid[:, 4:] = False
    torch.testing.assert_close(run(model, padded)[:, :4], run(model, short), rtol=0, atol=1e-6)


@pytest.mark.parametrize("subset", range(16))
def test_any_subset_of_modalities_gives_finite_logits_and_gradients(subset: int) -> None:
    batch = dialogs()
    present = {
        f"{name}_present": torch.full_like(batch.valid, bool(subset >> bit & 1)) for bit, name in enumerate(FEATURES)
    }
    model = network().train()
    logits = model(*replace(batch, **present).inputs())
    logits.square().sum().backward()
    assert logits.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_a_dialog_of_padding_alone_is_finite() -> None:
    batch = dialogs()
    assert run(network(), replace(batch, valid=torch.zeros_like(batch.valid))).isfinite().all()


def test_dialogs_of_a_batch_do_not_see_each_other() -> None:
    model, batch = network(), dialogs(batch=4)
    order = torch.tensor([2, 0, 3, 1])
    shuffled = DialogBatch(*(tensor[order] for tensor in batch.inputs()))
    torch.testing.assert_close(run(model, shuffled), run(model, batch)[order], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", FEATURES)
def test_an_absent_feature_is_not_the_same_as_zeros(name: str) -> None:
    model, batch = network(), everything_present(dialogs())
    zeros = replace(batch, **{name: torch.zeros_like(getattr(batch, name))})
    absent = replace(batch, **{f"{name}_present": torch.zeros_like(batch.valid)})
    assert (run(model, zeros) - run(model, absent)).abs().max() > 1e-4


def test_nobody_attends_to_a_position_where_the_modality_is_absent() -> None:
    model, batch = network(), dialogs()
    gap = torch.tensor([True, False, True, True, True, True]).expand(2, -1)
    with_gap = model.audio_encoders(model.audio(batch.audio, gap), model._allowed(gap))
    audio = torch.cat([batch.audio[:, :1], batch.audio[:, 2:]], dim=1)
    everywhere = torch.ones(2, LENGTH - 1, dtype=torch.bool)
    without = model.audio_encoders(model.audio(audio, everywhere), model._allowed(everywhere))
    torch.testing.assert_close(with_gap[:, 2:], without[:, 1:], rtol=0, atol=1e-6)


def test_the_depth_and_widths_follow_the_configuration() -> None:
    model = network(encoders=3, fusion_layers=2)
    assert [len(stack.layers) for stack in (model.text_encoders, model.audio_encoders, model.visual_encoders)] == [
        3
    ] * 3
    assert len(model.fusion) == 2
    assert model.fusion[0].seen.key.in_features == CONFIG.face_dim + CONFIG.scene_dim  # type: ignore[union-attr]
    assert run(model, dialogs()).shape == (2, LENGTH, 7)


def test_heads_that_do_not_divide_a_width_are_refused() -> None:
    with pytest.raises(ValueError, match="5 heads"):
        network(heads=5)


def test_a_batch_moves_to_a_device_whole() -> None:
    assert all(tensor.device.type == "meta" for tensor in dialogs().to("meta").inputs())


def test_the_network_learns_a_rule_that_needs_three_modalities() -> None:
    torch.manual_seed(0)
    model = M2FNet(replace(CONFIG, fusion_layers=1, encoders=1, classes=2, dropout=0.0))
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    losses = []
    for step in range(80):
        batch = everything_present(dialogs(batch=24, seed=100 + step))
        target = (batch.text[..., 0] + batch.audio[..., 0] + batch.face[..., 0] > 0).long()
        loss = torch.nn.functional.cross_entropy(model(*batch.inputs()).flatten(0, 1), target.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    # Two of the three terms alone give at best an error of 20 %, which costs about 0.45.
    assert sum(losses[-10:]) / 10 < 0.35
