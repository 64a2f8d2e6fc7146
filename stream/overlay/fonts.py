"""Fonts for what people say and are called, in any script.

The one that comes with the program has Latin, Greek, Cyrillic, Arabic, Hebrew and more; for what it lacks, those that
systems usually have are looked for. Pillow's own default font is of no use here: it has not even an é.
"""

from functools import lru_cache
from pathlib import Path
from typing import Final

from PIL import ImageFont

BUNDLED: Final = str(Path(__file__).parent / "fonts" / "DejaVuSansCondensed-Bold.ttf")
# Pillow looks for a bare name in the system's folders of fonts.
ELSEWHERE: Final = (
    "NotoSansCJK-Bold.ttc",  # Linux
    "NotoSansCJK-Regular.ttc",
    "NotoSansDevanagari-Bold.ttf",
    "NotoSansThai-Bold.ttf",
    "wqy-microhei.ttc",
    "Arial Unicode.ttf",  # macOS
    "PingFang.ttc",
    "msyhbd.ttc",  # Windows: Chinese, Korean, Japanese, the scripts of India, Thai
    "malgunbd.ttf",
    "YuGothB.ttc",
    "NirmalaB.ttf",
    "LeelaUIb.ttf",
)
_NOBODYS: Final = "\U0010ffff"  # a font shows for it what it shows for all that it lacks
_PROBE_PX: Final = 24

Font = ImageFont.FreeTypeFont


@lru_cache(maxsize=256)
def font_for(text: str, size: int) -> Font:
    """Return the first font, ``size`` pixels high, that has all characters of ``text``, else that lacks fewest."""
    best, missing = ImageFont.truetype(BUNDLED, size), _missing(BUNDLED, text)
    for name in ELSEWHERE:
        if not missing:
            break
        other = _load(name, size)
        if other is not None and (count := _missing(name, text)) < missing:
            best, missing = other, count
    return best


@lru_cache(maxsize=128)
def _load(name: str, size: int) -> Font | None:
    try:
        return ImageFont.truetype(name, size)
    except OSError:
        return None


def _missing(name: str, text: str) -> int:
    return sum(not _has(name, character) for character in set(text) if not character.isspace())


@lru_cache(maxsize=8192)
def _has(name: str, character: str) -> bool:
    font = _load(name, _PROBE_PX)
    return font is not None and bytes(font.getmask(character)) != bytes(font.getmask(_NOBODYS))
