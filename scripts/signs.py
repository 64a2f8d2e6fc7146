"""Write the signs of the emotions for the pages to web/signs.js: `python scripts/signs.py`."""

import json
from pathlib import Path

from stream.exports.report.sign_paths import NOT_SURE_PATHS, SIGN_PATHS, Paths
from wire.events import NOT_SURE

MODULE = Path(__file__).resolve().parent.parent / "web" / "signs.js"
HEAD = "/** The features of each emotion's face as SVG paths; made of stream/signs.py by scripts/signs.py. */\n\n"
NOT_SURE_HEAD = "\n/** What is shown in the place of an emotion that is uncertain, and its sign. */\n"


def text() -> str:
    """Return the module."""
    rows = "".join(f"  {label}: {_features(paths, '  ')},\n" for label, paths in SIGN_PATHS.items())
    unsure = f"export const NOT_SURE_SIGN = {_features(NOT_SURE_PATHS)};\n"
    shown = f"export const NOT_SURE = {json.dumps(NOT_SURE)};\n"
    return f"{HEAD}export const SIGNS = {{\n{rows}}};\n{NOT_SURE_HEAD}{shown}{unsure}"


def _features(paths: Paths, indent: str = "") -> str:
    strokes, solids = json.dumps(paths.strokes), json.dumps(paths.solids)
    return f"{{\n{indent}  strokes: {strokes},\n{indent}  solids: {solids},\n{indent}}}"


if __name__ == "__main__":
    MODULE.write_text(text(), encoding="utf-8")
