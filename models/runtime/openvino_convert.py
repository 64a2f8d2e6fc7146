"""Networks in torch made OpenVINO's models."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import openvino as ov
import torch
from torch import nn

from models.bundle_config import BundleConfig
from models.runtime.engine import ServedName
from models.runtime.network_inputs import examples, shape

_log: Final = logging.getLogger(__name__)


@contextmanager
def root_logger_kept() -> Iterator[None]:
    """Give the root logger its level, filters and handlers back after the block, however that ends."""
    root = logging.getLogger()
    level, filters, handlers = root.level, list(root.filters), list(root.handlers)
    try:
        yield
    finally:
        root.setLevel(level)
        root.filters, root.handlers = filters, handlers


def converted(name: ServedName, network: nn.Module, config: BundleConfig) -> ov.Model:
    """Return a network, on the CPU in float32, as OpenVINO's model, all of it float32, converted now."""
    inputs = examples(name, config)
    _log.info("converting the %s network to OpenVINO, once for this bundle", name)
    # It lets the root logger tell errors alone, and forgets that where it fails.
    with warnings.catch_warnings(), torch.no_grad(), root_logger_kept():
        warnings.simplefilter("ignore")  # of the tracer: the parity tests check what it doubts
        model = ov.convert_model(network, example_input=tuple(map(torch.from_numpy, inputs)))
    ports = zip(model.inputs, inputs, strict=True)
    model.reshape({port: ov.PartialShape(shape(name, example)) for port, example in ports})
    return model
