"""Weights that a bundle keeps in 8 bits stay so in OpenVINO: a quarter of the file and of the memory, the same numbers.

A matrix of a bundle is whole numbers of 8 bits, each row times a scale (:mod:`models.networks.weights`). Converting it
makes float32 of both; here such a matrix is found again and written as what it was, followed by the multiplication,
which OpenVINO does where it computes. Nothing is rounded: a matrix that is not exactly that stays as it is.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
import openvino as ov
from openvino import opset13

from models.networks.weights import rounded

Matrix = npt.NDArray[np.float32]

_LEAST: Final = 4096  # elements of a matrix that is worth it


def keep_eight_bits(model: ov.Model) -> None:
    """Replace the matrices of a model that are 8-bit numbers times one scale a row, in place."""
    for node in model.get_ops():
        if node.get_type_name() == "Constant" and node.get_element_type() == ov.Type.f32:
            _keep(node)


def _keep(node: ov.Node) -> None:
    shape = list(node.get_output_shape(0))
    if len(shape) != 2 or np.prod(shape) < _LEAST:  # noqa: PLR2004 - a matrix
        return
    parts = eight_bits(node.data)
    if parts is None:
        return
    codes, scales = parts
    product = opset13.multiply(opset13.convert(opset13.constant(codes), "f32"), opset13.constant(scales))
    product.set_friendly_name(node.get_friendly_name())
    for place in node.output(0).get_target_inputs():
        place.replace_source_output(product.output(0))


def eight_bits(matrix: Matrix) -> tuple[npt.NDArray[np.int8], Matrix] | None:
    """Return what a matrix ``(rows, columns)`` is made of: ``(rows, columns)`` int8 and ``(rows, 1)`` scales.

    None if their product would be another matrix.
    """
    codes, scale = rounded(matrix)
    scales = scale[:, None]
    return (codes, scales) if np.array_equal(codes * scales, matrix) else None
