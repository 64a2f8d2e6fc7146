"""Sound of any number of channels to one, so that what can be heard in some of them is heard in it.

The usual mix loses what stands in two channels with opposite signs, and what stands in one of many. So it is taken as
long as it is healthy; else the mean of the channels in which there is something, and if these cancel each other too,
the loudest of them. What is healthy shows in the covariance of the channels over the last while. Pure.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

_BLOCK_S: Final = 0.02  # decided once in so long
_FADE: Final = 0.25  # of a block: quick enough for the beginning of a word, slow enough not to click
_MEMORY_S: Final = 0.2
_EMPHASIS: Final = 0.97  # rumble and offsets say nothing of speech
_CANCELLING: Final = 0.5  # of the power that the channels of a mix would have if they were independent
_ALONE: Final = 0.9
_TELLING_S: Final = 0.5
_FAINT: Final = 10**-1.2  # of the loudest channel's power
_ACTIVE: Final = 10**-2.0  # the same: with less, a channel is an empty one
_RETURN: Final = 2.0  # so many times healthier must be what is gone back to, that it does not change all the time


class Downmix:
    """Mixes the channels of one stream.

    The result does not depend on how the sound is cut into pieces.

    Args:
        usual: ``(channels,)``, how much of each channel makes the usual mix.
        rate: samples a second.
    """

    def __init__(self, usual: Floats, rate: int) -> None:
        self._cancelled = 0  # blocks of which the usual mix would have been the less for its channels' signs
        self._usual = usual.astype(np.float64)
        self._block = max(2, round(rate * _BLOCK_S))
        self._keep = np.exp(-_BLOCK_S / _MEMORY_S)
        self._covariance = np.zeros((len(usual), len(usual)))
        self._choice = 0
        self._loudest = 0
        self._weights: npt.NDArray[np.float64] | None = None
        self._rest = np.zeros((len(usual), 0), np.float32)

    @property
    def cancelling(self) -> bool:
        """Whether channels cancel each other out, and have for more than a moment."""
        return self._cancelled * _BLOCK_S >= _TELLING_S

    def push(self, sound: Floats) -> Floats:
        """Return ``(samples,)``: as much of ``(channels, samples)`` so far as makes whole blocks."""
        sound = np.concatenate([self._rest, sound], axis=1)
        whole = sound.shape[1] // self._block * self._block
        self._rest = sound[:, whole:]
        starts = range(0, whole, self._block)
        return _joined([self._mixed(sound[:, start : start + self._block]) for start in starts])

    def flush(self) -> Floats:
        """Return what is left."""
        rest, self._rest = self._rest, self._rest[:, :0]
        return self._mixed(rest) if rest.shape[1] else _joined([])

    def _mixed(self, block: Floats) -> Floats:
        if block.shape[1] > 1:
            heard = (block[:, 1:] - _EMPHASIS * block[:, :-1]).astype(np.float64)
            heard -= heard.mean(axis=1, keepdims=True)
            self._covariance = self._keep * self._covariance + heard @ heard.T
        weights = self._chosen()
        before = weights if self._weights is None else self._weights
        self._weights = weights
        mixed: Floats = (weights @ block).astype(np.float32)
        if before is not weights:
            fade = np.minimum(1, np.arange(block.shape[1], dtype=np.float32) / (_FADE * self._block))
            mixed = (before @ block).astype(np.float32) * (1 - fade) + mixed * fade
        return mixed

    def _chosen(self) -> npt.NDArray[np.float64]:
        """Return the weights of the first mix that is healthy."""
        power = np.diagonal(self._covariance)
        if not power.any():
            return self._usual if self._weights is None else self._weights
        if power.max() > _RETURN * power[self._loudest]:
            self._loudest = int(power.argmax())
        alone = np.zeros(len(power))
        alone[self._loudest] = 1.0
        active = power >= _ACTIVE * power.max()
        mixes = (self._usual, active / active.sum(), alone)
        healthy = (index for index, mix in enumerate(mixes) if self._is_healthy(index, mix, power))
        self._choice = next(healthy, len(mixes) - 1)
        return mixes[self._choice]

    def _is_healthy(self, index: int, mix: npt.NDArray[np.float64], power: npt.NDArray[np.float64]) -> bool:
        margin = _RETURN if index < self._choice else 1.0
        mixed, independent = mix @ self._covariance @ mix, mix**2 @ power
        self._cancelled += index == 0 and bool(mixed < _CANCELLING * independent)
        # Channels that are alone in a mix are neither for nor against each other.
        cancels = mixed < min(margin * _CANCELLING, _ALONE) * independent
        return not cancels and bool(mixed >= margin * _FAINT * power.max())


def _joined(pieces: list[Floats]) -> Floats:
    return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
