"""A bundle as it lies in its folder: all that serving it takes but its networks, which an engine may have converted."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self, Union

from models.bundle_config import BundleConfig, BundleError, check_bundle, repair
from models.networks.weights import WeightError, load_sharded
from models.speaker_baseline import BaselineReference
from models.text_input import Tokenizer

if TYPE_CHECKING:
    from models.bundle import Bundle

AnyBundle = Union["Bundle", "StoredBundle"]
"""With its networks in memory, or without."""


@dataclass(frozen=True, eq=False)
class StoredBundle:
    """A bundle that was checked, and whose networks are loaded when something asks for them."""

    folder: Path
    config: BundleConfig
    tokenizer: Tokenizer

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Return the bundle in a folder; torch is not needed for that.

        Raises:
            BundleError: it is missing, damaged or of another version.
        """
        config = check_bundle(folder)
        try:
            return cls(folder, config, Tokenizer.read(folder / config.text.encoder))
        except (OSError, ValueError) as error:
            message = f"the tokenizer in {folder / config.text.encoder} can't be read ({error}): {repair(folder)}"
            raise BundleError(message) from error

    def reference(self) -> BaselineReference | None:
        """Return what the voice branch knows of all speakers together; None: nothing of baselines.

        Raises:
            BundleError: its weights can't be read.
        """
        if not self.config.knows_baselines:
            return None
        try:
            weights = load_sharded([self.folder / file for file in self.config.weight_files("audio")])
            return BaselineReference(weights["voice.baseline.deviations"], weights["voice.baseline.weights"])
        except (WeightError, KeyError) as error:
            message = f"the voice branch knows no baselines ({error}): {repair(self.folder)}"
            raise BundleError(message) from error

    def load(self) -> "Bundle":
        """Return it with its networks; torch is imported.

        Raises:
            BundleError: it is gone or damaged meanwhile, or its weights don't fit its configuration.
        """
        from models.bundle import load_bundle  # noqa: PLC0415 - imports torch, which converted networks need not

        return load_bundle(self.folder)
