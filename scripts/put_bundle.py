"""Put a newly trained bundle in the place of the one that a folder's config.json names.

    python scripts/put_bundle.py runs/starter/bundle models/bundles/starter

The new files get the names of those they replace, and one that is the same stays untouched, so that the history
grows only by what was trained anew.
"""

import re
import shutil
from pathlib import Path
from typing import Annotated, Final

import typer

from models.bundle import load_bundle
from models.bundle_config import BundleConfig, NetworkName
from models.files.whole_file import whole_file, write_whole

_CONFIG: Final = "config.json"
_PART: Final = re.compile(r"(-\d+-of-\d+)?\.safetensors$")


def read(folder: Path) -> BundleConfig:
    """Return a bundle's configuration."""
    return BundleConfig.model_validate_json((folder / _CONFIG).read_text(encoding="utf-8"))


def stem(config: BundleConfig, network: NetworkName) -> str:
    """Return what the names of a network's files begin with."""
    return _PART.sub("", config.weight_files(network)[0])


def renamed(name: str, new: BundleConfig, old: BundleConfig) -> str:
    """Return what a file of the new bundle is called in the old one's folder."""
    for network in new.networks:
        if name in new.weight_files(network):
            start = stem(old, network) if network in old.networks else network
            return start + name.removeprefix(stem(new, network))
    folder = f"{new.text.encoder}/"
    return f"{old.text.encoder}/{name.removeprefix(folder)}" if name.startswith(folder) else name


def put(source: Path, target: Path) -> list[str]:
    """Replace the target's bundle and return the names of the files that changed."""
    new, old = read(source), read(target)
    names = {name: renamed(name, new, old) for name in new.files}
    for gone in set(old.files) - set(names.values()):
        (target / gone).unlink()
    changed = [name for name, there in names.items() if new.files[name] != old.files.get(there)]
    for name in changed:
        with whole_file(target / names[name]) as partial:
            shutil.copyfile(source / name, partial)
    config = new.model_copy(
        update={
            "text": new.text.model_copy(update={"encoder": old.text.encoder}),
            "weights": {name: tuple(names[file] for file in new.weight_files(name)) for name in new.networks},
            "files": dict(sorted((names[name], digest) for name, digest in new.files.items())),
        }
    )
    write_whole(target / _CONFIG, config.model_dump_json(indent=2) + "\n")
    load_bundle(target)
    return [names[name] for name in changed]


def main(
    source: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="The new bundle.")],
    target: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="The folder of the one it replaces.")],
) -> None:
    """Replace a bundle and name what changed."""
    for name in put(source, target):
        typer.echo(f"changed {name}")


if __name__ == "__main__":
    typer.run(main)
