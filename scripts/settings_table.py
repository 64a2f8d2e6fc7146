"""Write the table of all settings into README.md, between its two markers: `python scripts/settings_table.py`."""

import sys
from pathlib import Path

from stream.config import describe_settings

README = Path(__file__).resolve().parent.parent / "README.md"
START, END = "<!-- settings: start -->\n", "<!-- settings: end -->\n"


def table() -> str:
    """Return the settings as a Markdown table."""
    rows = [f"| `{name}` | {default} | {meaning} |" for name, default, meaning in describe_settings()]
    return "\n".join(["| setting | default | meaning |", "| --- | --- | --- |", *rows]) + "\n"


def with_table(text: str) -> str:
    """Return the README with the table of now between the markers."""
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    return before + START + table() + END + after


def main() -> int:
    """Write the file."""
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
