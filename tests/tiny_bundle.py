"""A bundle of the real networks with random weights, the text encoder and the dialog network small."""

from dataclasses import replace
from pathlib import Path

import tokenizers
import torch
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing
from torch import nn
from transformers import AutoModel, BertConfig

from models.bundle import Bundle
from models.bundle_config import AudioPart, BundleConfig, ExtractorPart, FacePart, Temperatures, TextPart
from models.dialog_window import FusionConfig
from models.labels import LABELS
from models.networks.extractor import EmotionExtractor
from models.networks.fusion import M2FNet
from models.networks.speaker_encoder import SpeakerEncoder
from models.networks.speech_encoder import VoiceExtractor
from models.networks.text import TextEncoder
from models.text_input import MAX_TOKENS, Tokenizer

TEXT_DIM = 32
IMAGE_DIM = 24
_SPECIAL = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
_WORDS = ("i", "you", "am", "are", "so", "happy", "sad", "what", "no", "anna", "ben", "never", "again")


def tiny_tokenizer() -> Tokenizer:
    letters = [f"{prefix}{letter}" for letter in "abcdefghijklmnopqrstuvwxyz" for prefix in ("", "##")]
    vocabulary = [*_SPECIAL.values(), *_WORDS, *(piece for piece in letters if piece not in _WORDS), *".,:!?"]
    ids = {piece: index for index, piece in enumerate(vocabulary)}
    tokenizer = tokenizers.Tokenizer(WordPiece(ids, unk_token=_SPECIAL["unk_token"]))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])],
    )
    return Tokenizer(tokenizer, _SPECIAL["sep_token"], _SPECIAL["pad_token"])


def _tiny_encoder(tokens: int, longest: int = 64) -> BertConfig:
    return BertConfig(
        vocab_size=tokens,
        hidden_size=TEXT_DIM,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=longest,
    )


def save_tiny_encoder(folder: Path, seed: int = 0) -> Path:
    """Write an untrained encoder and its tokenizer as Hugging Face has them, and return their folder."""
    torch.manual_seed(seed)
    tokenizer = tiny_tokenizer()
    tokenizer.save(folder)
    AutoModel.from_config(_tiny_encoder(tokenizer.size, MAX_TOKENS)).save_pretrained(folder)
    return folder


def tiny_bundle(seed: int = 0) -> Bundle:
    torch.manual_seed(seed)
    tokenizer = tiny_tokenizer()
    encoder = _tiny_encoder(tokenizer.size)
    fusion = FusionConfig(TEXT_DIM, IMAGE_DIM, IMAGE_DIM, IMAGE_DIM, len(LABELS), fusion_layers=2, evidence=True)
    config = BundleConfig(
        name="tiny",
        labels=LABELS,
        text=TextPart(dim=TEXT_DIM, max_tokens=64),
        audio=AudioPart(dim=IMAGE_DIM),
        face=FacePart(dim=IMAGE_DIM),
        fusion=fusion,
        temperatures=Temperatures(text=0.5, audio=2.0, face=1.5, fused=0.25),
    )
    bundle = Bundle(
        config,
        TextEncoder(AutoModel.from_config(encoder), len(LABELS)),
        tokenizer,
        EmotionExtractor(len(LABELS), IMAGE_DIM),
        EmotionExtractor(len(LABELS), IMAGE_DIM),
        M2FNet(fusion),
    )
    for network in bundle.networks().values():
        _spread_statistics(network)
        network.eval().requires_grad_(False)
    return bundle


def _spread_statistics(network: nn.Module) -> None:
    """Give batch normalisations statistics as training leaves them, or they would do nothing."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None and module.running_var is not None:
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)


def with_speakers(bundle: Bundle, seed: int = 0) -> Bundle:
    """Return a bundle that also tells speakers."""
    torch.manual_seed(seed)
    config = bundle.config.model_copy(update={"networks": (*bundle.config.networks, "speaker")})
    return replace(bundle, config=config, speaker=SpeakerEncoder().eval().requires_grad_(False))


def with_whisper(bundle: Bundle, *, baseline: bool = False) -> Bundle:
    """Return a bundle whose voice branch is Whisper's encoder.

    With ``baseline`` a voice is told against its speaker's own baseline.
    """
    torch.manual_seed(0)
    config, classes, dim = bundle.config, len(bundle.config.labels), bundle.config.audio.dim
    kept = 10 if baseline else 0
    voice = VoiceExtractor.untrained(classes, dim, baseline=kept)
    if voice.voice.baseline is not None:
        voice.voice.baseline.rotation.normal_(0, 0.05)
        voice.voice.baseline.deviations.normal_(0, 0.1)
    part = AudioPart(kind="whisper", dim=dim, baseline=kept)
    changed = config.model_copy(update={"audio": part})
    return replace(bundle, config=changed, audio=voice.eval().requires_grad_(False))


def with_other_branches(bundle: Bundle, *, baseline: bool = False) -> Bundle:
    """Return a bundle whose voice branch is Whisper's encoder and whose face branch a MobileNet, and a scene one."""
    heard = with_whisper(bundle, baseline=baseline)
    config, classes, dim = heard.config, len(heard.config.labels), heard.config.audio.dim
    changed = config.model_copy(
        update={
            "face": FacePart(dim=dim, size=48, backbone="mobilenet_v1_faces"),
            "scene": ExtractorPart(dim=dim),
            "networks": (*config.networks, "scene"),
        }
    )
    face = EmotionExtractor(classes, dim, size=48, backbone="mobilenet_v1_faces").eval().requires_grad_(False)
    _spread_statistics(face)
    return replace(heard, config=changed, face=face, scene=EmotionExtractor(classes, dim).eval())
