"""Reading the sound of a whole file as 16 kHz mono."""

from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from models.spectrogram import SAMPLE_RATE

Samples = npt.NDArray[np.float32]


def read_sound(path: Path) -> Samples:
    """Return ``(samples,)`` float32 in [-1, 1] at 16 kHz, all channels mixed.

    Raises:
        ValueError: the file can't be opened or holds no sound.
    """
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                message = f"{path} has no sound"
                raise ValueError(message)
            resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
            frames = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
            frames += resampler.resample(None)
    except (OSError, av.FFmpegError) as error:
        message = f"{path} can't be read as sound: {error}"
        raise ValueError(message) from error
    if not frames:
        return np.zeros(0, np.float32)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames]).astype(np.float32)
