"""Fine-tuning only the upper layers of an encoder, its lower ones run once: what they say never changes."""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm
from transformers import PreTrainedModel

from models.text_input import TokenBatch
from models.user_error import UserError
from trainer.fit.cache import arrays_digest, cached, digest, network_digest
from trainer.fit.devices import half_precision

_BATCH: Final = 64
AnyModule = TypeVar("AnyModule", bound=nn.Module)


class FrozenEncoderError(UserError, ValueError):
    """An encoder's layers can't be split; the message says why."""


class _Given(nn.Module):
    """Stands where the embeddings were, and hands on the hidden states it is given."""

    def forward(self, *, inputs_embeds: Tensor, **_: object) -> Tensor:
        """Return ``inputs_embeds``."""
        return inputs_embeds


def split_encoder(encoder: PreTrainedModel, frozen: int) -> tuple[PreTrainedModel, PreTrainedModel]:
    """Return the lower ``frozen`` layers with the embeddings, and the rest, as two encoders over the same weights.

    The upper one takes ``inputs_embeds``: the hidden states that the lower one ends in. What both use (MPNet's
    relative positions) is frozen too.

    Raises:
        FrozenEncoderError: the encoder is not built as embeddings and ``encoder.layer``, or has too few layers.
    """
    layers = encoder_layers(encoder)
    if not 0 < frozen < len(layers):
        message = f"text.frozen_layers={frozen}: the encoder has {len(layers)} layers, of which one must be trained"
        raise FrozenEncoderError(message)
    lower, upper = _with_layers(encoder, layers[:frozen]), _with_layers(encoder, layers[frozen:])
    upper = _with_children(upper, {"embeddings": _Given()})
    for parameter in lower.parameters():
        parameter.requires_grad_(False)
    return lower, upper


def encoder_layers(encoder: PreTrainedModel) -> nn.ModuleList:
    """Return the transformer layers, lowest first.

    Raises:
        FrozenEncoderError: the encoder is not built as embeddings and ``encoder.layer``.
    """
    layers = getattr(getattr(encoder, "encoder", None), "layer", None)
    if not isinstance(layers, nn.ModuleList) or not hasattr(encoder, "embeddings"):
        name = type(encoder).__name__
        message = f"{name} has no `embeddings` and `encoder.layer`: set text.frozen_layers=0 and text.layer_decay=1"
        raise FrozenEncoderError(message)
    return layers


def _with_layers(encoder: PreTrainedModel, layers: nn.ModuleList) -> PreTrainedModel:
    """Return a view of the encoder with other layers and no pooler: its modules are the same objects."""
    stack = _with_children(cast(nn.Module, encoder.encoder), {"layer": layers})
    return _with_children(encoder, {"encoder": stack, "pooler": None})


def _with_children(module: AnyModule, children: Mapping[str, nn.Module | None]) -> AnyModule:
    twin = copy.copy(module)  # torch's own copy shares the dictionary of children
    twin._modules = {**module._modules, **children}  # noqa: SLF001
    return twin


@torch.inference_mode()
def lower_states(lower: PreTrainedModel, rows: Sequence[TokenBatch], cache: Path) -> list[Tensor]:
    """Return the hidden states ``(tokens, width)`` bfloat16 of each row, from the disk where they are already.

    Args:
        lower: as :func:`split_encoder` returns it.
        rows: batches of one row each.
        cache: a folder.
    """
    lower.train(mode=False)
    key = digest(network_digest(lower), arrays_digest([row.input_ids for row in rows]))[:16]
    found = cached(cache / f"lower-{key}.safetensors", lambda: {"states": torch.cat(_run(lower, rows))})
    return list(torch.split(found["states"], [row.input_ids.shape[1] for row in rows]))


def _run(lower: PreTrainedModel, rows: Sequence[TokenBatch]) -> list[Tensor]:
    order = sorted(range(len(rows)), key=lambda row: rows[row].input_ids.shape[1])
    found: dict[int, Tensor] = {}
    for start in tqdm(range(0, len(order), _BATCH), desc="frozen layers"):
        chosen = order[start : start + _BATCH]
        ids, mask = (
            _padded([getattr(rows[row], name)[0] for row in chosen]) for name in ("input_ids", "attention_mask")
        )
        with half_precision():
            states = lower(input_ids=ids, attention_mask=mask).last_hidden_state.to(torch.bfloat16)
        found |= {row: states[place, : rows[row].input_ids.shape[1]].clone() for place, row in enumerate(chosen)}
    return [found[row] for row in range(len(rows))]


def _padded(rows: Sequence[np.ndarray]) -> Tensor:
    return nn.utils.rnn.pad_sequence([torch.from_numpy(row) for row in rows], batch_first=True)
