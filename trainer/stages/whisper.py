"""The audio stage on a speech recogniser's encoder: its statistics are computed once, the projector is trained.

Beside a clip the head is given its speaker's baseline, from a history that is drawn anew each time, in which the
emotions are not the true ones but those that are heard: what a session will give it.
"""

from collections.abc import Callable
from functools import partial
from typing import Final, cast

import numpy as np
import torch
from torch import Tensor, nn

from models.media.spectrogram import sound_input
from models.networks.calibration import probabilities
from models.networks.speech_encoder import SpeechEncoder, VoiceExtractor, VoiceHead
from trainer.fit.devices import device_of
from trainer.fit.metrics import Ints, Metrics
from trainer.fit.outputs import BranchOutput, Floats
from trainer.stages.audio import AudioBackbone, AudioSettings, AudioStage, voice_corpus_metrics
from trainer.stages.hearing import EncodedSounds, moments
from trainer.stages.histories import JUDGED, Histories, baselines, logits_after
from trainer.stages.speaker_model import VoiceStatistics, speaker_model

_EVAL_BATCH: Final = 256
_MEAN: Final = "mean_unweighted_accuracy"
WHISPER_INPUT: Final = partial(sound_input, "whisper")
"""From equally long sounds, ``(n,)`` at 16 kHz each, to Whisper's spectrograms ``(batch, 80, columns)``."""


class WhisperStage(AudioStage):
    """A projector and a head on the statistics of an encoder that stays as it is.

    Args:
        train: what is learned from; the first view is each clip as it is.
        dev: what checkpoints are chosen on, by ``score``: the mean over the corpora's unweighted accuracies of clips
            without a history, after eight utterances of the speaker, and after eight neutral ones.
        settings: of the stage.
        encoder: what has heard them.
    """

    def __init__(
        self, train: EncodedSounds, dev: EncodedSounds, settings: AudioSettings, encoder: SpeechEncoder
    ) -> None:
        self.encoder = encoder
        self.kinds = settings.histories
        backbone = AudioBackbone(self._head, WHISPER_INPUT, lambda heard, *_: heard)
        super().__init__(train.sounds, dev.sounds, settings, backbone)
        self.histories = Histories(train.sounds.sessions, train.sounds.labels, train.sounds.classes)
        self._learn_what_is_usual(train.statistics[:, 0])
        self.heard = torch.stack(
            [each(view, self.voice.standardised) for view in train.statistics.unbind(dim=1)], dim=1
        )
        self.heard_dev = each(dev.statistics[:, 0], self.voice.standardised)
        embeddings = torch.from_numpy(self._outputs(self.voice, self.heard[:, 0]).embeddings)
        self.said: Floats = probabilities(self.voice.usual(embeddings).numpy())

    def _head(self, classes: int, detached_head: bool, dropout: float) -> nn.Module:
        kept = self.kinds.kept
        return VoiceHead(self.encoder.dim, classes, dropout=dropout, detached_head=detached_head, baseline=kept)

    def _learn_what_is_usual(self, plain: Tensor) -> None:
        """Give the head what it needs to know of all speakers together, from clips as they are."""
        known, sounds = self.voice.baseline, self.train
        assert known is not None  # noqa: S101 - made above
        self.voice.norm.load_moments(*moments(plain, self.weights))
        voices = VoiceStatistics(
            each(plain, self.voice.norm), sounds.targets, self.weights, sounds.speaker_ids, sounds.corpora
        )
        found = speaker_model(voices, self.kinds.kept, self.settings.fit.seed)
        known.load(found.rotation, found.deviations, found.weights, self.kinds.share)

    @property
    def voice(self) -> VoiceHead:
        """Return the head that is trained."""
        assert isinstance(self.network, VoiceHead)  # noqa: S101 - made above
        return self.network

    @property
    def branch(self) -> VoiceExtractor:
        """Return the encoder and the trained head as one network."""
        return VoiceExtractor(self.encoder, self.voice).to(device_of(self.voice))

    @torch.inference_mode()
    def images(self, rows: Ints, epoch: int, generator: np.random.Generator) -> Tensor:
        """Return one view of each clip: its statistics, its speaker's offset and the count, joined."""
        del epoch
        view = int(generator.integers(self.heard.shape[1]))
        before = [self.histories.before(row, *self.kinds.draw(generator), generator) for row in rows.tolist()]
        needed, places = np.unique(np.concatenate([rows, *before]), return_inverse=True)
        statistics = self.heard[needed, view].numpy()
        ends = np.cumsum([len(rows), *map(len, before)])[:-1]
        own, *others = np.split(places, ends)
        assert self.voice.baseline is not None  # noqa: S101 - made above
        offset, count = baselines(others, statistics, self.said[needed], self.voice.baseline.reference())
        return torch.from_numpy(np.concatenate([statistics[own], offset, count], axis=1))

    def answer(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the embedding and what the linear layers alone say: the rest of the logits is not trained."""
        kept = self.kinds.kept
        embedding, logits = self.model(*torch.split(images, [kept, kept, 1], dim=1))
        return embedding, (logits - self.voice.usual(embedding)) / self.kinds.share

    def train_output(self, model: nn.Module, rows: Ints) -> BranchOutput:
        """Return what a head says of training clips as they are, each as its speaker's first."""
        return self._outputs(model, self.heard[rows, 0])

    def dev_output(self, model: nn.Module) -> BranchOutput:
        """Return what a head says of the dev clips, likewise."""
        return self._outputs(model, self.heard_dev)

    @torch.inference_mode()
    def _outputs(self, model: nn.Module, standardised: Tensor) -> BranchOutput:
        model.eval()
        device = device_of(model)
        return BranchOutput.gather([model(part.to(device)) for part in torch.split(standardised, _EVAL_BATCH)])

    def evaluate(self, model: nn.Module) -> Metrics:
        """Return the dev metrics without a history and with one, and ``score``."""
        found = super().evaluate(model)
        histories = Histories(self.dev.speaker_ids, self.dev.labels, self.dev.classes)
        for name, drawn in histories.judged().items():
            logits = logits_after(cast("VoiceHead", model), self.heard_dev.numpy(), drawn)
            found[f"{_MEAN}_{name}"] = voice_corpus_metrics(logits, self.dev)[_MEAN]
        figures = [found[_MEAN], *(found[f"{_MEAN}_{name}"] for name in JUDGED)]
        return {**found, "score": float(np.mean(figures))}


@torch.inference_mode()
def each(heard: Tensor, change: nn.Module | Callable[[Tensor], Tensor]) -> Tensor:
    """Return what becomes of an encoder's statistics ``(clips, width)``, some clips at a time, float32."""
    return torch.cat([change(part.float()) for part in torch.split(heard, _EVAL_BATCH)])


@torch.inference_mode()
def head_outputs(model: VoiceHead, heard: Tensor) -> BranchOutput:
    """Return the embeddings and logits of an encoder's statistics ``(clips, width)``, of speakers without a history."""
    model.eval()
    device = device_of(model)
    parts = torch.split(heard, _EVAL_BATCH)
    return BranchOutput.gather([model(model.standardised(rows.float().to(device))) for rows in parts])
