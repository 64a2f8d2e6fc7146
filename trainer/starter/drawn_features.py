"""What the branches say of single voices and faces, from which those of MELD's utterances are drawn."""

from collections.abc import Mapping, Sequence
from typing import Final, cast

import numpy as np
import torch
from tqdm import tqdm

from models.bundle_config import modality_key
from models.labels import LABELS
from models.media.face_image import face_input
from models.networks.extractor import EmotionExtractor
from models.networks.speech_encoder import VoiceExtractor
from models.text_input import Turn, with_context
from trainer.branches import CalibratedBranch
from trainer.corpora import Corpora
from trainer.data.faces import FaceSet
from trainer.data.names import SPOKEN
from trainer.dev_outputs import DevOutputs
from trainer.dialogs.drawn import DrawnJudge, DrawnMedia, FusionData, with_face, with_wrong_face
from trainer.dialogs.feature_bank import FeatureBank
from trainer.dialogs.features import DialogFeatures, Modality
from trainer.dialogs.held_out import HeldOutRates
from trainer.features.extract import Extraction
from trainer.features.extractors import Extractors
from trainer.fit.cache import arrays_digest, cached, digest, network_digest
from trainer.fit.devices import channels_last, half_precision
from trainer.fit.metrics import weighted_f1
from trainer.fit.outputs import Floats
from trainer.stages.audio import sound_outputs
from trainer.stages.face import augment
from trainer.stages.heads import linear_logits
from trainer.stages.hearing import statistics
from trainer.stages.text import TextExample, text_outputs
from trainer.stages.whisper import head_outputs

SPEAKER: Final = "Speaker"
"""The name live sessions give who has none."""

STATEMENTS: Final = {"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."}
"""What is said in RAVDESS, by the fifth part of a file's name."""
SUBSETS: Final[tuple[tuple[Modality, ...], ...]] = (
    ("audio",), ("face",), ("text", "audio"), ("text", "face"), ("audio", "face"), ("text", "audio", "face"),
)  # fmt: skip
"""What of the three modalities, words alone left out, an utterance may have."""
_FACE_VIEWS: Final = 3
_FACES_PER_LABEL: Final = 800
_FACE_BATCH: Final = 128


def drawn_data(
    outputs: DevOutputs, train: Extraction, dev: Extraction, branches: Mapping[Modality, CalibratedBranch]
) -> FusionData:
    """Return what the fusion is trained and calibrated on: real words, with voices and faces drawn by label.

    Args:
        outputs: of the branches; of the data the dev faces and voices, the training ones too.
        train: the text features of what is learned from.
        dev: those of dev.
        branches: with the heads and temperatures that say how sure each is.
    """
    data = outputs.data
    said = spoken(outputs, script(data))
    shown, wrongly = (seen(outputs, said, data.config.fusion.fit.seed, right=right) for right in (True, False))
    text = dev.branches["text"]
    reached = weighted_f1(dev.labels[text.rows], text.output.logits.argmax(axis=1))
    tempered = {modality_key(names): [example.only(names) for example in shown] for names in SUBSETS}
    media = _media(outputs, train, dev, branches)
    return FusionData(
        train.dialogs,
        dev.dialogs,
        {"text": dev.dialogs, **tempered},
        change=media,
        judge=DrawnJudge(dev.dialogs, said, shown, wrongly, reached),
        widths={"audio": media.voices.dim, "face": media.faces.dim},
    )


def _media(
    outputs: DevOutputs, train: Extraction, dev: Extraction, branches: Mapping[Modality, CalibratedBranch]
) -> DrawnMedia:
    data, extractors, settings = outputs.data, outputs.extractors, outputs.data.config.pairing
    rates: dict[Modality, HeldOutRates] = {}
    if settings.as_unheard:
        judged = {
            "text": (dev.branches["text"].output.logits, dev.labels[dev.branches["text"].rows]),
            "audio": (outputs.audio.logits, data.sounds_dev.labels),
            "face": (outputs.face.logits, data.faces_dev.labels),
        }
        rates = {name: HeldOutRates.of(*judged[name], branches[name].temperature) for name in branches}
    return DrawnMedia(
        voices(data, extractors, rates.get("audio")),
        faces(data, extractors, rates.get("face")),
        settings,
        words(train, rates.get("text")) if settings.other_words else None,
    )


def words(read: Extraction, rates: HeldOutRates | None) -> FeatureBank:
    """Return the embeddings of all utterances."""
    text = read.branches["text"]
    labels = read.labels[text.rows]
    return FeatureBank.of(text.output.embeddings[:, None], labels, ["words"] * len(labels), text.output.logits, rates)


def script(data: Corpora) -> list[str]:
    """Return what is said in each dev clip of the spoken corpus, as their names tell."""
    return [STATEMENTS[clip.path.stem.split("-")[4]] for clip in data.clips_dev(SPOKEN)]


def spoken(outputs: DevOutputs, words: Sequence[str]) -> list[DialogFeatures]:
    """Return each dev clip of the spoken corpus as a dialog of one utterance, with ``words`` said and no face.

    The text is absent where no words were recognised.
    """
    sounds, extractors = outputs.data.sounds_dev, outputs.extractors
    rows = sounds.of_corpus(SPOKEN)
    texts = read_alone(extractors, words)
    return [
        DialogFeatures([text if said else None], [voice], [None], [None], [int(label)])
        for text, said, voice, label in zip(
            texts, words, outputs.audio.embeddings[rows], sounds.labels[rows], strict=True
        )
    ]


def seen(
    outputs: DevOutputs, examples: Sequence[DialogFeatures], seed: int, *, right: bool = True
) -> list[DialogFeatures]:
    """Return the spoken examples, each with a dev face of its label, or of another."""
    labels = outputs.data.faces_dev.labels
    bank = FeatureBank.of(outputs.face.embeddings[:, None], labels, ["faces"] * len(labels))
    generator = np.random.default_rng(seed)
    give = with_face if right else with_wrong_face
    return [give(example, bank, generator) for example in examples]


def read_alone(extractors: Extractors, sentences: Sequence[str]) -> Floats:
    """Return the embeddings ``(sentences, dim)`` of what is said outside of any dialog."""
    network, tokenizer = extractors.text, extractors.tokenizer
    assert network is not None  # noqa: S101 - every bundle and every training has one
    assert tokenizer is not None  # noqa: S101 - as above
    separator = tokenizer.separator
    pairs = (with_context([Turn(SPEAKER, said)], 0, extractors.context, separator) for said in sentences)
    return text_outputs(network, tokenizer, [TextExample(pair, 0) for pair in pairs]).embeddings


def voices(data: Corpora, extractors: Extractors, rates: HeldOutRates | None = None) -> FeatureBank:
    """Return the embeddings of every training clip, where they can be had also changed as for the training."""
    network, sounds = extractors.audio, data.sounds_train
    if not isinstance(network, VoiceExtractor):
        assert network is not None  # noqa: S101 - drawn dialogs have all three
        alone = sound_outputs(network, sounds.samples, extractors.audio_input)
        return FeatureBank.of(alone.embeddings[:, None], sounds.labels, sounds.corpora, alone.logits, rates)
    settings, seed = data.config.audio, data.config.fusion.fit.seed
    heard = statistics(network.encoder, sounds, settings.views, seed, data.cache)
    told = [head_outputs(network.voice, heard[:, view]) for view in range(heard.shape[1])]
    views = np.stack([one.embeddings for one in told], axis=1)
    return FeatureBank.of(views, sounds.labels, sounds.corpora, told[0].logits, rates)


def faces(data: Corpora, extractors: Extractors, rates: HeldOutRates | None = None) -> FeatureBank:
    """Return the embeddings of some training faces of each label, each differently augmented several times."""
    seed, network = data.config.fusion.fit.seed, cast("EmotionExtractor", extractors.face)
    chosen = some_faces(data.faces_train, _FACES_PER_LABEL, seed)
    key = digest(network_digest(network), arrays_digest([chosen.pixels]))[:16]
    made = cached(
        data.cache / f"faces-{key}.safetensors",
        lambda: {"embeddings": torch.from_numpy(_face_views(network, chosen))},
    )
    views = made["embeddings"].numpy()
    logits = linear_logits(network.head, views[:, 0])
    return FeatureBank.of(views, chosen.labels, ["faces"] * len(chosen.labels), logits, rates)


def some_faces(found: FaceSet, per_label: int, seed: int) -> FaceSet:
    """Return at most so many faces of each label."""
    order = np.random.default_rng(seed).permutation(len(found.labels))
    rows = np.concatenate([order[found.labels[order] == label][:per_label] for label in range(len(LABELS))])
    return found.of(rows)


@torch.inference_mode()
def _face_views(model: EmotionExtractor, found: FaceSet) -> Floats:
    """Return ``(faces, 3, dim)``: each face three times, differently augmented."""
    generator = np.random.default_rng(0)
    rows = []
    channels_last(model)
    for start in tqdm(range(0, len(found.labels), _FACE_BATCH), desc="faces for the fusion"):
        images = torch.from_numpy(face_input(found.pixels[start : start + _FACE_BATCH], model.size))
        with half_precision():
            views = [model(augment(images, generator))[0] for _ in range(_FACE_VIEWS)]
        rows.append(torch.stack(views, dim=1).float().numpy())
    return np.concatenate(rows)
