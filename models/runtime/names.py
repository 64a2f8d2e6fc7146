"""The names of engines and precisions, apart from what needs torch: settings and the command line only name them."""

from typing import Literal

EngineName = Literal["auto", "torch", "torch-compiled", "openvino", "onnxruntime", "tensorrt", "tensorrt_rtx"]
TensorRtName = Literal["tensorrt", "tensorrt_rtx"]
Precision = Literal["float32", "bfloat16", "float16", "int8"]
PrecisionName = Literal["auto", "float32", "bfloat16", "float16", "int8"]
