"""Matrices in 8 bits are the numbers they were, and everything else is left alone."""

import numpy as np
import openvino as ov
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.networks.weights import pack, unpack
from models.runtime.openvino_weights import eight_bits, keep_eight_bits


def stored(rows: int, columns: int, size: float = 1.0, seed: int = 0) -> np.ndarray:
    """Return a matrix as a bundle in 8 bits gives it back."""
    matrix = (size * np.random.default_rng(seed).standard_normal((rows, columns))).astype(np.float32)
    return unpack(pack({"weight": matrix}, "int8"))["weight"]


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 20), st.integers(1, 90), st.floats(1e-4, 1e3), st.integers(0, 2**31))
def test_a_bundles_matrix_is_found_to_be_what_it_was_stored_as(rows: int, columns: int, size: float, seed: int) -> None:
    matrix = stored(rows, columns, size, seed)
    parts = eight_bits(matrix)
    assert parts is not None
    np.testing.assert_array_equal(parts[0] * parts[1], matrix)


def test_a_row_of_zeros_is_one() -> None:
    parts = eight_bits(np.zeros((2, 3), np.float32))
    assert parts is not None
    assert not parts[0].any()


def test_other_matrices_are_left_as_they_are() -> None:
    assert eight_bits(np.random.default_rng(0).normal(size=(4, 50)).astype(np.float32)) is None


def constants(model: ov.Model) -> set[str]:
    return {node.get_element_type().get_type_name() for node in model.get_ops() if node.get_type_name() == "Constant"}


@pytest.mark.parametrize("in_eight_bits", [True, False])
def test_a_network_computes_the_same(in_eight_bits: bool) -> None:
    network = torch.nn.Linear(96, 64).requires_grad_(False)
    if in_eight_bits:
        network.weight.copy_(torch.from_numpy(stored(64, 96)))
    model = ov.convert_model(network, example_input=torch.zeros(2, 96))
    keep_eight_bits(model)
    assert ("i8" in constants(model)) == in_eight_bits
    sound = torch.randn(5, 96, generator=torch.Generator().manual_seed(1))
    options = {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}
    told = ov.Core().compile_model(model, "CPU", options)(sound.numpy())[0]
    np.testing.assert_allclose(told, network(sound).numpy(), rtol=1e-4, atol=1e-4)
