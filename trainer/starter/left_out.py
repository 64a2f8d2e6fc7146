"""How voices do on corpora never heard: the branch trained on all but one, and judged on the whole of that one."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from models.networks.speech_encoder import VoiceHead, load_whisper_encoder
from trainer.corpora import Corpora
from trainer.evaluation.report import NamedScores
from trainer.fit.cache import arrays_digest, digest, network_digest
from trainer.fit.loop import fit
from trainer.stages.hearing import EncodedSounds, encoded
from trainer.stages.histories import voice_logits
from trainer.stages.packaged import packaged_whisper
from trainer.stages.whisper import WhisperStage, each
from trainer.starter.voice_rows import LEFT_OUT, after_histories, rows_of

_FEWEST_CLASSES: Final = 4  # that a corpus must have to be judged on


def left_out_rows(data: Corpora) -> Iterator[NamedScores]:
    """Yield the rows of each corpus that has four emotions, without and with histories of its speakers.

    They are figures of the settings and the data, not of one bundle: for each corpus a branch is trained, checkpoints
    chosen on the held-out speakers of the others. What the encoder says is in the cache from the bundle's training, so
    that it takes a minute or so for each; what is trained once is kept there too.
    """
    if data.config.audio.backbone != "whisper" or len(data.config.speech.datasets) < 2:  # noqa: PLR2004 - one is left
        return
    encoder, settings = load_whisper_encoder(packaged_whisper()), data.config.audio
    train = encoded(encoder, data.sounds_train, settings.views, settings.fit.seed, data.cache)
    dev = encoded(encoder, data.sounds_dev, 1, settings.fit.seed, data.cache)
    for corpus in data.config.speech.datasets:
        whole = train.only(train.sounds.of_corpus(corpus)).joined(dev.only(dev.sounds.of_corpus(corpus)))
        if len(np.unique(whole.sounds.labels)) < _FEWEST_CLASSES:
            continue
        stage = WhisperStage(_without(corpus, train), _without(corpus, dev), settings, encoder)
        fit(stage, settings.fit, data.cache / "left-out" / _key(stage, data), {})
        yield from _judged(stage.voice, whole, corpus)


def _without(corpus: str, heard: EncodedSounds) -> EncodedSounds:
    return heard.only(np.flatnonzero(np.array(heard.sounds.corpora) != corpus))


def _key(stage: WhisperStage, data: Corpora) -> str:
    """Return what tells one training from all others."""
    learned = [arrays_digest([sounds.labels, sounds.targets]) for sounds in (stage.train, stage.dev)]
    return digest(network_digest(stage.voice), learned, data.config.section("audio"))[:16]


def _judged(head: VoiceHead, heard: EncodedSounds, corpus: str) -> Iterator[NamedScores]:
    head.eval()
    statistics = each(heard.statistics[:, 0], head.standardised).numpy()
    logits = {"": voice_logits(head, statistics), **after_histories(head, statistics, heard.sounds)}
    return rows_of(f"{LEFT_OUT} {corpus}", logits, heard.sounds)
