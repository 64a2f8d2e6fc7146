"""MTCNN's three networks with facenet-pytorch's weights, in torch: what engines convert, and what trainings run."""

import threading
from collections.abc import Callable

import torch
from facenet_pytorch import MTCNN
from torch import nn

from models.networks.mtcnn import DETECTION, DetectionName, DetectionNetworks, Floats


def detection_networks() -> dict[DetectionName, nn.Module]:
    """Return the networks, in eval mode on the CPU; they take images of 12 pixels a side at least, 24 and 48."""
    whole = MTCNN(device="cpu")
    return {name: getattr(whole, name).eval() for name in DETECTION}


def in_torch(networks: dict[DetectionName, nn.Module], device: torch.device | str = "cpu") -> DetectionNetworks:
    """Return the networks computed by torch on a device, to which they are moved; one call at a time runs."""
    turn = threading.Lock()

    def computed(network: nn.Module) -> Callable[[Floats], tuple[Floats, ...]]:
        def compute(images: Floats) -> tuple[Floats, ...]:
            with turn, torch.inference_mode():
                return tuple(output.cpu().numpy() for output in network(torch.from_numpy(images).to(device)))

        return compute

    return {name: computed(network.to(device)) for name, network in networks.items()}
