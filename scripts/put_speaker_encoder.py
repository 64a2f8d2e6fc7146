"""Put a pretrained speaker encoder into a bundle; its other networks stay as they are.

    pip download --no-deps resemblyzer==0.1.4
    python scripts/put_speaker_encoder.py PACKAGE BUNDLE

where PACKAGE is Resemblyzer-0.1.4-py3-none-any.whl and BUNDLE, for example, models/bundles/starter.
"""

from pathlib import Path
from typing import Annotated

import typer

from models.bundle import write_speaker_encoder
from trainer.stages.pretrained_speakers import pretrained_speaker_encoder


def main(
    source: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The package, or its pretrained.pt.")],
    target: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="The bundle's folder.")],
) -> None:
    """Put it there and name its files."""
    for name in write_speaker_encoder(target, pretrained_speaker_encoder(source)):
        typer.echo(f"wrote {name}")


if __name__ == "__main__":
    typer.run(main)
