"""The signs of the emotions: one definition for frames, pages and reports, and nothing that needs a font of emoji."""

import html
import re
import runpy
from pathlib import Path

import pytest

from models.labels import LABELS
from stream.exports.report.sign_paths import NOT_SURE_PATHS, SIGN_PATHS
from stream.signs import SIGNS

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ("commands", "m2fnet_client", "models", "serving", "stream", "trainer", "web", "cli.py", "server.py")
SUFFIXES = {".html", ".css", ".js", ".j2", ".py"}
IN_FEW_FONTS = re.compile(r"[\u2190-\u2bff\U0001f000-\U0001faff\ufe0f]")  # arrows, shapes, dingbats, emoji
ESCAPE = re.compile(r"\\[uU]\{?([0-9a-fA-F]{4,8})")


def shipped() -> list[Path]:
    tops = [ROOT / name for name in SHIPPED]
    files = [file for top in tops for file in ([top] if top.is_file() else sorted(top.rglob("*")))]
    return [file for file in files if file.suffix in SUFFIXES]


def signs_in(text: str) -> list[str]:
    """Return the characters that not every machine can show, those that are written as escapes too."""
    return IN_FEW_FONTS.findall(html.unescape(ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)))


@pytest.mark.parametrize(
    "text", ["\U0001f622", "\u23f1", "\u2715", r"\uFE0F", r"\U0001F622", r"\u{1F622}", "&#128546;"]
)
def test_a_sign_is_found_however_it_is_written(text: str) -> None:
    assert signs_in(f"it is {text}")


def test_nothing_that_is_shown_needs_a_font_of_signs() -> None:
    found = {str(file.relative_to(ROOT)): signs for file in shipped() if (signs := signs_in(file.read_text("utf-8")))}
    assert found == {}
    assert {file.name for file in shipped()} >= {
        "index.html",
        "emotions.js",
        "overlay.css",
        "report.html.j2",
        "look.py",
    }


def test_every_emotion_has_a_face_of_its_own() -> None:
    assert tuple(SIGNS) == tuple(SIGN_PATHS) == LABELS
    assert len({(paths.strokes, paths.solids) for paths in SIGN_PATHS.values()}) == len(LABELS)
    assert NOT_SURE_PATHS not in SIGN_PATHS.values()
    assert all(paths.strokes and paths.solids for paths in SIGN_PATHS.values())


def test_the_pages_have_the_signs_of_now() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "signs.py"))
    assert script["MODULE"].read_text("utf-8") == script["text"](), "run python scripts/signs.py"
