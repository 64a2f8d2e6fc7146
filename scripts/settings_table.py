"""Write the table of all settings into docs/settings.md: `python scripts/settings_table.py`."""

import sys
from pathlib import Path

from commands.measured import with_block
from stream.config import describe_settings
from trainer.evaluation.text_tables import markdown_table

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "settings.md"


def with_table(text: str) -> str:
    """Return the document with the table of now in its block."""
    rows = [[f"`{name}`", default, meaning] for name, default, meaning in describe_settings()]
    return with_block(text, "scripts/settings_table.py", markdown_table(["setting", "default", "meaning"], rows))


def main() -> int:
    """Write the file."""
    DOCUMENT.write_text(with_table(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
