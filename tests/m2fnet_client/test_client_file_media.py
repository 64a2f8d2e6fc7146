import wave
from pathlib import Path

import numpy as np
import pytest

from m2fnet_client.file_media import file_messages


def test_what_is_left_out_of_a_file_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    said = (8_000 * np.random.default_rng(0).normal(size=32_000)).clip(-30_000, 30_000).astype(np.int16)
    path = tmp_path / "opposite.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(np.stack([said, -said], axis=1).tobytes())
    assert list(file_messages(path))
    assert any("cancel each other" in message for message in caplog.messages)
