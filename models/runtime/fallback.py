"""An engine that gives way to the next one when it fails, at the start or in the middle, and says why."""

import logging
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from models.runtime.engine import Array, Engine, EngineError, EngineInfo, Outputs, ServedName
from models.runtime.readiness import NotReadyError
from models.stored_bundle import AnyBundle

_log: Final = logging.getLogger(__name__)

_OF_CUDA: Final = re.compile(r"cuda|cudnn|cublas|nvrtc|nvidia", re.IGNORECASE)
_CUDA_ADVICE: Final = (
    "if it stays so, update the NVIDIA driver, and install torch with its CUDA libraries again with "
    "`pip install --force-reinstall -c constraints.txt torch`"
)

Result = TypeVar("Result")


@dataclass(frozen=True)
class Fallback:
    """An engine that was given up, and why."""

    engine: str
    reason: str

    def told(self, instead: str) -> str:
        """Return it as it is told, with the engine that is used instead."""
        return f"{self.reason}; {instead} is used instead of {self.engine}"


@dataclass(frozen=True)
class Candidate:
    """An engine that may be had: its name in the settings, and what loads it for a bundle."""

    name: str
    load: Callable[[AnyBundle], Engine]


class FallbackEngine:
    """The first of several engines that works; when it fails on a batch, the next one that can compute that batch.

    Nothing that waits is lost: the batch is computed again on the next engine before anything else. A batch that no
    engine can compute is at fault itself: it raises its error, and the engine stays.

    Attributes:
        fallbacks: the engines that were given up so far.
        is_replacing: whether another engine is being loaded in the middle of a batch, which takes its time.

    Args:
        candidates: the engines, the best first.
        bundle: for the start; it is not kept.
        reload: gives the bundle again when an engine has to be replaced.
        required: the first engine is the one asked for, so that the others only stand in for it later.
        on_fallback: told of every engine that is given up, in the thread that found out.

    Raises:
        NotReadyError: one has to be built first, and nobody waits for that.
        EngineError: none works, or not the one required.
    """

    def __init__(
        self,
        candidates: Sequence[Candidate],
        bundle: AnyBundle,
        reload: Callable[[], AnyBundle],
        *,
        required: bool = False,
        on_fallback: Callable[[Fallback], None] | None = None,
    ) -> None:
        self.fallbacks: list[Fallback] = []
        self.is_replacing = False
        self._candidates, self._reload, self._on_fallback = list(candidates), reload, on_fallback
        offered = self._candidates[:1] if required else self._candidates
        failed: list[Fallback] = []
        found = self._first_able(offered, lambda: bundle, lambda engine: engine.warm_up(), failed)
        if found is None:
            raise EngineError("; ".join(fallback.reason for fallback in failed))
        self._engine: Engine = found[0]
        self._given_up(failed)

    @property
    def name(self) -> str:
        """Return the name of the engine in use."""
        return self._engine.name

    def warm_up(self) -> None:
        """Do nothing: every engine is warm when it is taken."""

    def run(self, network: ServedName, inputs: Mapping[str, Array]) -> Outputs:
        """Return the network's outputs for one batch, from the engine in use or the next one that can.

        Raises:
            Exception: that of the engine in use, where no other one can compute the batch either.
        """
        try:
            return self._engine.run(network, inputs)
        except Exception as error:  # whatever a native library raises: the next engine may still do it
            outputs = self._rescued(error, network, inputs)
            if outputs is None:
                raise
            return outputs

    def describe(self) -> EngineInfo:
        """Return what the engine in use is and how it computes."""
        return self._engine.describe()

    def _rescued(self, error: Exception, network: ServedName, inputs: Mapping[str, Array]) -> Outputs | None:
        spare = self._candidates[1:]
        if not spare:
            return None
        failed = [Fallback(self._candidates[0].name, explained(error))]
        self.is_replacing = True
        try:
            found = self._first_able(spare, self._reload, lambda engine: engine.run(network, inputs), failed)
        finally:
            self.is_replacing = False
        if found is None:
            return None
        self._engine, outputs = found
        self._given_up(failed)
        return outputs

    def _first_able(
        self,
        candidates: Sequence[Candidate],
        bundle: Callable[[], AnyBundle],
        task: Callable[[Engine], Result],
        failed: list[Fallback],
    ) -> tuple[Engine, Result] | None:
        """Return the first engine that can be loaded and does the task; add the others to ``failed``."""
        for candidate in candidates:
            try:
                engine = candidate.load(bundle())
                return engine, task(engine)
            except NotReadyError:
                raise
            except Exception as error:  # noqa: BLE001 - as above
                failed.append(Fallback(candidate.name, explained(error)))
        return None

    def _given_up(self, failed: Sequence[Fallback]) -> None:
        del self._candidates[: len(failed)]
        for fallback in failed:
            self.fallbacks.append(fallback)
            _log.warning("%s", fallback.told(self.name))
            if self._on_fallback is not None:
                self._on_fallback(fallback)


def is_gpu_full(error: BaseException) -> bool:
    """Return whether torch had no memory left on the GPU; where torch was never imported, it had not."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(error, torch.OutOfMemoryError)


def explained(error: BaseException) -> str:
    """Return in one line why an engine failed, and what to do where that is known."""
    text = " ".join(str(error).split())
    if isinstance(error, EngineError):
        return text
    if is_gpu_full(error):
        return f"the GPU's memory is full ({text}): lower runtime.max_batch, or close what else uses the GPU"
    if isinstance(error, MemoryError):
        return f"the memory is full ({text or 'MemoryError'}): lower runtime.max_batch, or close other programs"
    if isinstance(error, ImportError):
        return f"a package is missing or broken ({text}): install it again with `pip install -c constraints.txt -e .`"
    told = f"{type(error).__name__}: {text}"
    if isinstance(error, RuntimeError | OSError) and _OF_CUDA.search(text):
        return f"{told}: {_CUDA_ADVICE}"
    return told
