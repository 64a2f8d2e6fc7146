from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from models.networks.weights import WeightError, load_sharded, pack, save_sharded, unpack


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 6), st.integers(1, 9), st.floats(1e-4, 1e3), st.integers(0, 2**31))
def test_eight_bits_are_never_off_by_more_than_half_a_step(rows: int, columns: int, size: float, seed: int) -> None:
    weight = (size * np.random.default_rng(seed).standard_normal((rows, columns))).astype(np.float32)
    restored = unpack(pack({"w": weight}, "int8"))["w"]
    step = np.abs(weight).max(axis=1, keepdims=True) / 127
    assert (np.abs(restored - weight) <= 0.501 * step).all()


def test_vectors_and_counters_stay_as_they_are() -> None:
    weights = {"bias": noise(5), "steps": np.array(3)}
    for precision in ("float16", "int8"):
        kept = unpack(pack(weights, precision))
        assert all(np.array_equal(kept[name], weights[name]) for name in weights)


def test_a_row_of_zeros_stays_zero() -> None:
    assert not unpack(pack({"w": np.zeros((2, 3), np.float32)}, "int8"))["w"].any()


def test_kernels_are_rounded_by_output() -> None:
    kernel = np.stack([np.full((2, 3, 3), 1e-3, np.float32), np.full((2, 3, 3), 10, np.float32)])
    assert unpack(pack({"k": kernel}, "int8"))["k"] == pytest.approx(kernel, rel=1e-3)


def test_a_weight_named_like_a_scale_is_no_scale() -> None:
    weights = {"norm.scale": noise(4, 4), "norm": noise(4)}
    assert set(unpack(pack(weights, "float16"))) == set(weights)


def test_weights_in_several_files_come_back_together(tmp_path: Path) -> None:
    stored = pack({f"w{index}": noise(10, 10) for index in range(5)}, "float16")
    names = save_sharded(stored, tmp_path, "net", limit=500)
    assert names == [f"net-{index}-of-3.safetensors" for index in (1, 2, 3)]
    loaded = load_sharded([tmp_path / name for name in names])
    assert all(np.array_equal(loaded[name], stored[name].astype(np.float32)) for name in stored)


def test_a_cut_file_is_named(tmp_path: Path) -> None:
    save_file({"w": np.zeros(9, np.float32)}, tmp_path / "cut.safetensors")
    content = (tmp_path / "cut.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(content[:-5])
    with pytest.raises(WeightError, match=r"cut\.safetensors is not a safetensors file"):
        load_sharded([tmp_path / "cut.safetensors"])


def test_weights_that_are_not_finite_are_named() -> None:
    with pytest.raises(WeightError, match="not finite in int8: w"):
        pack({"w": np.full((2, 2), np.nan, np.float32)}, "int8")
