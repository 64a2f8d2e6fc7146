"""What an engine serves, as networks in torch: those of a bundle, and MTCNN's."""

from torch import nn

from models.bundle import Bundle
from models.networks.mtcnn_networks import detection_networks
from models.networks.speech_encoder import StatisticsToo, VoiceExtractor
from models.runtime.engine import ServedName


def served_networks(bundle: Bundle) -> dict[ServedName, nn.Module]:
    """Return what an engine serves: the networks of the bundle, and MTCNN's.

    A voice branch that knows of speakers' baselines is served twice: whole, and as its head alone (``voice``), which
    tells the statistics of an utterance against its speaker's baseline.
    """
    served: list[tuple[ServedName, nn.Module]] = [*bundle.networks().items(), *detection_networks().items()]
    if bundle.config.knows_baselines:
        assert isinstance(bundle.audio, VoiceExtractor)  # noqa: S101 - what a Whisper's voice branch is built as
        served += [("audio", StatisticsToo(bundle.audio).eval()), ("voice", bundle.audio.voice)]
    return dict(served)
