"""What a dialog network says of every utterance, by how much of the dialog it has heard by then."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from models.dialog_window import FusionConfig
from models.networks.fusion import DialogBatch
from trainer.dialogs.features import DialogFeatures, collate
from trainer.fit.devices import device_of, to_device
from trainer.fit.outputs import Floats

Collate = Callable[[Sequence[DialogFeatures], FusionConfig], tuple[DialogBatch, Tensor]]

_BATCH: Final = 32


def full_logits(
    model: nn.Module, dialogs: Sequence[DialogFeatures], config: FusionConfig, make_batch: Collate = collate
) -> Floats:
    """Return the logits ``(utterances, classes)`` of all utterances, dialog after dialog, the whole dialog known.

    Args:
        model: a dialog network; it is put into eval mode.
        dialogs: with the modalities that are to be used.
        config: the network's.
        make_batch: how dialogs become its inputs.
    """
    return _by_batch(lambda batch: _logits(model, batch), model, dialogs, config, make_batch)


def moment_logits(
    model: nn.Module, dialogs: Sequence[DialogFeatures], config: FusionConfig, make_batch: Collate = collate
) -> Floats:
    """Return what :func:`full_logits` does, each utterance being the last one heard."""
    return _logits_after(0, model, dialogs, config, make_batch)


def after_next_logits(
    model: nn.Module, dialogs: Sequence[DialogFeatures], config: FusionConfig, make_batch: Collate = collate
) -> Floats:
    """Return what :func:`full_logits` does, one later utterance known where there is one."""
    return _logits_after(1, model, dialogs, config, make_batch)


def _logits_after(
    later: int, model: nn.Module, dialogs: Sequence[DialogFeatures], config: FusionConfig, make_batch: Collate
) -> Floats:
    if config.causal:  # such a network says the same whatever comes later
        return full_logits(model, dialogs, config, make_batch)
    return _by_batch(lambda batch: _prefix_logits(model, batch, later), model, dialogs, config, make_batch)


@torch.inference_mode()
def _by_batch(
    logits: Callable[[DialogBatch], Tensor],
    model: nn.Module,
    dialogs: Sequence[DialogFeatures],
    config: FusionConfig,
    make_batch: Collate,
) -> Floats:
    model.eval()
    rows = [np.zeros((0, config.classes), np.float32)]
    for start in range(0, len(dialogs), _BATCH):
        batch, _ = make_batch(dialogs[start : start + _BATCH], config)
        rows.append(logits(to_device(batch, device_of(model))).cpu()[batch.valid].numpy())
    return np.concatenate(rows)


def _logits(model: nn.Module, batch: DialogBatch) -> Tensor:
    logits: Tensor = model(*batch.inputs())
    return logits.float()


def _prefix_logits(model: nn.Module, batch: DialogBatch, later: int) -> Tensor:
    """Return ``(batch, utterances, classes)``: utterance i as the network sees it after utterance i + ``later``.

    One pass for each i, over all dialogs long enough to have it.
    """
    columns = []
    for place in range(batch.valid.shape[1]):
        reached = batch.valid[:, place]
        logits = _logits(model, batch.part(reached, place + 1 + later))[:, place]
        columns.append(logits.new_zeros(len(reached), logits.shape[1]).masked_scatter(reached[:, None], logits))
    return torch.stack(columns, dim=1)
