"""The trained branches with heads for the conversations' emotions, and the temperature of each."""

from dataclasses import dataclass
from typing import cast

import numpy as np
from torch import nn

from models.networks.calibration import fit_temperature
from models.networks.evidence import OwnHead
from models.networks.extractor import EmotionExtractor
from models.networks.speech_encoder import VoiceExtractor
from models.networks.text import TextEncoder
from models.user_error import UserError
from trainer.dev_outputs import DevOutputs
from trainer.dialogs.features import Modality
from trainer.features.extract import Extraction
from trainer.fit.devices import device_of
from trainer.stages.heads import fit_head, linear_logits, with_head


class BranchError(UserError):
    """A branch can't be given a head; the message says what is missing."""


@dataclass(frozen=True, eq=False)
class CalibratedBranch:
    """A network that names the conversations' emotions, and what its logits are divided by."""

    network: nn.Module
    temperature: float

    @property
    def head(self) -> OwnHead:
        """Return the last layer, with the temperature."""
        if isinstance(self.network, VoiceExtractor):
            return OwnHead(self.network.voice.last(), self.temperature)
        assert isinstance(self.network.head, nn.Linear)  # noqa: S101 - as all of them are built
        return OwnHead(self.network.head, self.temperature)


def calibrated_branches(outputs: DevOutputs, train: Extraction, dev: Extraction) -> dict[Modality, CalibratedBranch]:
    """Return the branch of each modality there is, its temperature fitted on dev.

    Args:
        outputs: what the extractors say of the data that they were chosen on.
        train: the features of the conversations that are learned from.
        dev: those of dev.

    Raises:
        BranchError: there is nothing to fit a head on.
    """
    text, network = dev.branches["text"], outputs.extractors.text
    assert isinstance(network, TextEncoder)  # noqa: S101 - every training has one
    found: dict[Modality, CalibratedBranch] = {
        "text": CalibratedBranch(network, fit_temperature(text.output.logits, dev.labels[text.rows]))
    }
    for name in outputs.data.modalities:
        if name != "text":
            found[name] = _branch(name, outputs, train, dev)
    return found


def _branch(name: Modality, outputs: DevOutputs, train: Extraction, dev: Extraction) -> CalibratedBranch:
    """Return an extractor as it is if it has learned these emotions, else with a head that is fitted to them."""
    network = getattr(outputs.extractors, name)
    learned, judged = outputs.data.examples(name)
    same = learned.classes == judged.classes == outputs.data.labels
    if same and np.isin(judged.labels, learned.labels).any():
        return CalibratedBranch(network, fit_temperature(outputs.of(name).logits, judged.labels))
    return _with_new_head(name, network, len(outputs.data.labels), train, dev)


def _with_new_head(
    name: Modality, network: nn.Module, classes: int, train: Extraction, dev: Extraction
) -> CalibratedBranch:
    found = [extraction.branches.get(name) for extraction in (train, dev)]
    if found[0] is None or found[1] is None:
        message = f"{name}: no usable media in {'train' if found[0] is None else 'dev'} to fit a head for its labels"
        raise BranchError(message)
    head = fit_head(found[0].output.embeddings, train.labels[found[0].rows], classes)
    temperature = fit_temperature(linear_logits(head, found[1].output.embeddings), dev.labels[found[1].rows])
    return CalibratedBranch(with_head(cast("EmotionExtractor", network), head.to(device_of(network))), temperature)
