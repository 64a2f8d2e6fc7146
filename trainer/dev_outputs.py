"""What the branches say of the data that they were chosen on."""

from functools import cached_property
from typing import cast

import torch
from torch import Tensor

from models.networks.extractor import EmotionExtractor
from models.networks.speech_encoder import VoiceExtractor
from trainer.corpora import Corpora
from trainer.dialogs.features import Modality
from trainer.features.extractors import Extractors
from trainer.fit.devices import device_of
from trainer.fit.outputs import BranchOutput
from trainer.stages.audio import sound_outputs
from trainer.stages.face import face_outputs
from trainer.stages.scene import scene_outputs


class DevOutputs:
    """The outputs of one set of branches, each computed when first asked for; the branch must be there."""

    def __init__(self, data: Corpora, extractors: Extractors) -> None:
        self.data, self.extractors = data, extractors

    @cached_property
    @torch.inference_mode()
    def statistics(self) -> Tensor:
        """Return what a voice branch on Whisper's encoder tells its dev sounds by, ``(clips, width)`` standardised."""
        network = self.extractors.audio
        assert isinstance(network, VoiceExtractor)  # noqa: S101 - the caller looked
        inputs = (torch.from_numpy(self.extractors.audio_input([one])) for one in self.data.sounds_dev.samples)
        return torch.cat([network.eval().statistics(one.to(device_of(network))) for one in inputs])

    @cached_property
    @torch.inference_mode()
    def audio(self) -> BranchOutput:
        """Return what the audio branch says of its dev sounds, each heard whole as live."""
        network, samples = self.extractors.audio, self.data.sounds_dev.samples
        assert network is not None  # noqa: S101 - the caller looked
        if isinstance(network, VoiceExtractor):
            return BranchOutput.gather([network.voice(one) for one in torch.split(self.statistics, 1)])
        return sound_outputs(network, samples, self.extractors.audio_input)

    @cached_property
    def face(self) -> BranchOutput:
        """Return what the face branch says of its dev faces."""
        return face_outputs(cast("EmotionExtractor", self.extractors.face), self.data.faces_dev)

    @cached_property
    def scene(self) -> BranchOutput:
        """Return what the scene branch says of its dev images."""
        assert self.extractors.scene is not None  # noqa: S101 - the caller looked
        return scene_outputs(self.extractors.scene, self.data.scenes_dev.pixels)

    def of(self, name: Modality) -> BranchOutput:
        """Return the output of a branch other than the text's."""
        found: BranchOutput = getattr(self, name)
        return found
