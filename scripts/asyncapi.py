"""Write the protocol as an AsyncAPI document to docs/asyncapi.yaml: `python scripts/asyncapi.py`."""

from pathlib import Path

from serving.http import asyncapi

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "asyncapi.yaml"

if __name__ == "__main__":
    DOCUMENT.write_text(asyncapi.text(), encoding="utf-8")
