"""M2FNet: the emotion of every utterance of a dialog from its text, voice and image (paper, section 3.3).

Each modality goes through its own transformer encoders; fusion layers then let the text be looked up by
what was heard and seen; two linear layers name the emotion. There is no position encoding, as in the
paper: order reaches the network only through the causal mask. A modality that a dialog or a whole corpus
lacks (the scene, say) is absent by its mask.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Final, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.dialog_window import FusionConfig
from models.networks.evidence import HEADS, Evidence

_FEED_FORWARD: Final = 2  # times the stream's width; more overfits on MELD's thousand dialogs


@dataclass(frozen=True, eq=False)
class DialogBatch:
    """Padded dialogs.

    Features are ``(batch, utterances, dim)`` float32; what stands where a modality is absent or ``valid`` is
    False is never read. Masks are ``(batch, utterances)`` bool; ``valid`` is False at padding.
    """

    text: Tensor
    audio: Tensor
    face: Tensor
    scene: Tensor
    text_present: Tensor
    audio_present: Tensor
    face_present: Tensor
    scene_present: Tensor
    valid: Tensor

    def inputs(self) -> tuple[Tensor, ...]:
        """Return the tensors in the order of ``M2FNet.forward``."""
        return tuple(getattr(self, field.name) for field in fields(self))

    def to(self, device: torch.device | str) -> Self:
        """Return the batch on another device."""
        return self._each(lambda tensor: tensor.to(device))

    def part(self, dialogs: Tensor, utterances: int) -> Self:
        """Return some dialogs, chosen by a mask ``(batch,)`` or indices, as they were after so many utterances."""
        return self._each(lambda tensor: tensor[dialogs, :utterances])

    def _each(self, change: Callable[[Tensor], Tensor]) -> Self:
        return replace(self, **{field.name: change(getattr(self, field.name)) for field in fields(self)})


class FeatureInput(nn.Module):
    """Normalise one feature, and put a learned vector where it is absent.

    Shape:
        feature ``(batch, utterances, dim)`` and mask ``(batch, utterances)``; output as the feature.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.absent = nn.Parameter(0.02 * torch.randn(dim))

    def forward(self, feature: Tensor, present: Tensor) -> Tensor:
        """Return ``(batch, utterances, dim)``."""
        mask = present.unsqueeze(-1)
        # Cleared before the norm too: a NaN there would reach the gradient through the branch not taken.
        normal = self.norm(feature.masked_fill(~mask, 0.0))
        return torch.where(mask, normal, self.absent.to(normal.dtype))


class _Attention(nn.Module):
    """Multi-head attention, Q and V of width ``dim``, K of width ``key_dim``; ``allowed`` is True where a key counts.

    Not ``nn.MultiheadAttention``: its inference path changes the operators, which then can't be exported.
    """

    def __init__(self, dim: int, key_dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        if dim % heads:
            message = f"{heads} heads don't divide a width of {dim}"
            raise ValueError(message)
        self.heads, self.dropout = heads, dropout
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(key_dim, dim)
        self.value = nn.Linear(dim, dim)
        self.out = nn.Linear(dim, dim)

    def _split(self, stream: Tensor) -> Tensor:
        return stream.reshape(*stream.shape[:2], self.heads, -1).transpose(1, 2)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, allowed: Tensor) -> Tensor:
        """Return ``(batch, utterances, dim)``; ``allowed`` is ``(batch, queries, keys)``."""
        attended = functional.scaled_dot_product_attention(
            self._split(self.query(query)),
            self._split(self.key(key)),
            self._split(self.value(value)),
            attn_mask=allowed.unsqueeze(1),
            dropout_p=self.dropout if self.training else 0.0,
        )
        output: Tensor = self.out(attended.transpose(1, 2).flatten(-2))
        return output


class _Encoder(nn.Module):
    """A transformer encoder layer with the paper's skip around it: x + Tr(x)."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = _Attention(dim, dim, heads, dropout)
        self.attention_norm = nn.LayerNorm(dim)
        self.expand = nn.Linear(dim, _FEED_FORWARD * dim)
        self.shrink = nn.Linear(_FEED_FORWARD * dim, dim)
        self.output_norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, stream: Tensor, allowed: Tensor) -> Tensor:
        """Return ``(batch, utterances, dim)``."""
        attended = self.attention(stream, stream, stream, allowed)
        inner = self.attention_norm(stream + self.dropout(attended))
        wide = self.dropout(functional.relu(self.expand(inner)))
        transformed: Tensor = self.output_norm(inner + self.dropout(self.shrink(wide)))
        return stream + transformed


class _Encoders(nn.Module):
    """The encoders of one modality, one after the other."""

    def __init__(self, dim: int, config: FusionConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList([_Encoder(dim, config.heads, config.dropout) for _ in range(config.encoders)])

    def forward(self, stream: Tensor, allowed: Tensor) -> Tensor:
        """Return ``(batch, utterances, dim)``."""
        for layer in self.layers:
            stream = layer(stream, allowed)
        return stream


class _FusionLayer(nn.Module):
    """FC(concat[MHA(T, A, T), MHA(T, V, T), T]): the text, looked up by voice and by image."""

    def __init__(self, config: FusionConfig) -> None:
        super().__init__()
        dim = config.text_dim
        self.heard = _Attention(dim, config.audio_dim, config.heads, config.dropout)
        self.seen = _Attention(dim, config.visual_dim, config.heads, config.dropout)
        self.mix = nn.Linear(3 * dim, dim)
        self.norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, text: Tensor, audio: Tensor, visual: Tensor, heard: Tensor, seen: Tensor) -> Tensor:
        """Return the next text stream ``(batch, utterances, text_dim)``; ``heard``, ``seen`` are the key masks."""
        by_voice = self.dropout(self.heard(text, audio, text, heard))
        by_image = self.dropout(self.seen(text, visual, text, seen))
        mixed: Tensor = self.norm(self.mix(torch.cat([by_voice, by_image, text], dim=-1)))
        return mixed


class M2FNet(nn.Module):
    """The dialog network.

    Shape:
        inputs as :class:`DialogBatch` names them; output logits ``(batch, utterances, classes)``, finite but
        meaningless at padding.
    """

    def __init__(self, config: FusionConfig) -> None:
        super().__init__()
        self.config = config
        self.text = FeatureInput(config.text_dim)
        self.audio = FeatureInput(config.audio_dim)
        self.face = FeatureInput(config.face_dim)
        self.scene = FeatureInput(config.scene_dim)
        self.text_encoders = _Encoders(config.text_dim, config)
        self.audio_encoders = _Encoders(config.audio_dim, config)
        self.visual_encoders = _Encoders(config.visual_dim, config)
        self.fusion = nn.ModuleList([_FusionLayer(config) for _ in range(config.fusion_layers)])
        self.classifier = nn.Sequential(
            nn.Linear(config.text_dim + config.audio_dim + config.visual_dim, config.text_dim),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.text_dim, config.classes),
        )
        widths = {name: getattr(config, f"{name}_dim") for name in HEADS}
        self.evidence = Evidence(widths, config.classes) if config.evidence else None

    def forward(
        self,
        text: Tensor,
        audio: Tensor,
        face: Tensor,
        scene: Tensor,
        text_present: Tensor,
        audio_present: Tensor,
        face_present: Tensor,
        scene_present: Tensor,
        valid: Tensor,
    ) -> Tensor:
        """Return the logits of every utterance."""
        has_text, has_audio = text_present & valid, audio_present & valid
        has_face, has_scene = face_present & valid, scene_present & valid
        told = self._evidence({"text": text, "audio": audio, "face": face}, has_text, has_audio, has_face)
        heard = self._allowed(has_audio)
        seen = self._allowed(has_face | has_scene)
        text = self.text_encoders(self.text(text, has_text), self._allowed(has_text))
        audio = self.audio_encoders(self.audio(audio, has_audio), heard)
        visual = torch.cat([self.face(face, has_face), self.scene(scene, has_scene)], dim=-1)
        visual = self.visual_encoders(visual, seen)
        for layer in self.fusion:
            text = layer(text, audio, visual, heard, seen)
        logits: Tensor = self.classifier(torch.cat([text, audio, visual], dim=-1))
        return logits if told is None else logits + told

    def _evidence(self, embeddings: Mapping[str, Tensor], *present: Tensor) -> Tensor | None:
        return None if self.evidence is None else self.evidence(embeddings, dict(zip(HEADS, present, strict=True)))

    def _allowed(self, present: Tensor) -> Tensor:
        """Return which keys each query may see, ``(batch, queries, keys)``.

        A query always sees its own position, so that no softmax is ever empty.
        """
        # Compared, not `eye` and `tril`: those of any length have no ONNX that every engine takes.
        places = torch.arange(present.shape[1], device=present.device)
        queries, keys = places.unsqueeze(1), places.unsqueeze(0)
        seen = present.unsqueeze(1)
        if self.config.causal:
            seen = seen & (queries >= keys)
        return seen | (queries == keys)
