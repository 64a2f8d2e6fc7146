"""Write the JSON schema of analysis results to docs/analysis.schema.json: `python scripts/analysis_schema.py`."""

import json
from pathlib import Path

from stream.exports.results import ANALYSIS

SCHEMA = Path(__file__).resolve().parent.parent / "docs" / "analysis.schema.json"

if __name__ == "__main__":
    SCHEMA.write_text(json.dumps(ANALYSIS.json_schema(), indent=2) + "\n", encoding="utf-8")
