"""Keeping sound with its time stamps when its samples come a little faster or slower than these say. Pure."""

from typing import Final

import numpy as np

from stream.media import SAMPLES_PER_MS, Samples

DEAD_ZONE_MS: Final = 50.0  # jitter; nobody hears sound so far from its frame
STRONGEST: Final = 1 / 8  # of the sound's length: a clock that is further off is broken


def correction_ms(errors_ms: tuple[float, float], length_ms: float) -> float:
    """Return by how much to lengthen a piece of sound (negative: to shorten it).

    Args:
        errors_ms: how far the stamps of the piece before and of this one are ahead of where the samples have got to;
            what only one of them says is jitter.
        length_ms: the piece's own length.
    """
    least = min(errors_ms, key=abs)
    if errors_ms[0] * errors_ms[1] <= 0 or abs(least) <= DEAD_ZONE_MS:
        return 0.0
    wanted = abs(least) - DEAD_ZONE_MS
    return float(np.copysign(min(wanted, STRONGEST * length_ms), least))


def stretched(samples: Samples, by_ms: float) -> Samples:
    """Return ``(n,)`` samples longer by ``by_ms`` (negative: shorter), at a pitch as much lower (higher)."""
    count = len(samples) + round(by_ms * SAMPLES_PER_MS)
    if count == len(samples) or count < 1:
        return samples
    at = np.arange(count) * (len(samples) / count)
    longer: Samples = np.interp(at, np.arange(len(samples)), samples).astype(np.float32)
    return longer
