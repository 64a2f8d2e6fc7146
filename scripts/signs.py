"""Write the signs of the emotions for the pages to web/signs.js: `python scripts/signs.py`."""

import json
from pathlib import Path

from stream.exports.report.sign_paths import SIGN_PATHS

MODULE = Path(__file__).resolve().parent.parent / "web" / "signs.js"
HEAD = "/** The features of each emotion's face as SVG paths; made of stream/signs.py by scripts/signs.py. */\n\n"


def text() -> str:
    """Return the module."""
    rows = [
        f"  {label}: {{\n    strokes: {json.dumps(paths.strokes)},\n    solids: {json.dumps(paths.solids)},\n  }},\n"
        for label, paths in SIGN_PATHS.items()
    ]
    return f"{HEAD}export const SIGNS = {{\n{''.join(rows)}}};\n"


if __name__ == "__main__":
    MODULE.write_text(text(), encoding="utf-8")
