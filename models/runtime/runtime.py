"""The trained networks as callers see them: sound, words and faces in, calibrated probabilities out."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from models.bundle_config import NetworkName, find_bundle
from models.dialog_window import Window
from models.networks.calibration import probabilities
from models.networks.mtcnn import DETECTION, DetectionName, DetectionNetworks
from models.runtime.engine import OUTPUT_NAMES, Engine
from models.runtime.names import EngineName, PrecisionName
from models.runtime.preparation import Preparation, fusion_inputs, require_faces, require_sound, require_windows
from models.runtime.running import RunningEngine
from models.runtime.schedule import Priority
from models.runtime.select import choose_engine, choose_live_engine
from models.runtime.worker import TIMEOUT_S, WINDOW_MS, Item, Outputs, Worker, now_ms
from models.speaker_baseline import BaselineReference, SpeakerBaseline
from models.stored_bundle import AnyBundle, StoredBundle
from models.text_input import Turn

Floats = npt.NDArray[np.float32]
Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class Branch:
    """What one modality says of one utterance or face: embedding ``(dim,)``, probabilities ``(classes,)``.

    ``statistics`` are what a voice is told by, where the bundle tells it against its speaker's baseline.
    """

    embedding: Floats
    probabilities: Floats
    statistics: Floats | None = None


class Runtime(RunningEngine):
    """A loaded bundle on an engine, fed from any thread; one worker owns the device and batches what waits.

    The methods prepare their input in the caller's thread and wait when the worker's queue is full. After
    ``close`` they raise RuntimeError, and what was waiting is cancelled. ``session`` says who asks, so that
    nobody waits for ever behind another. What an utterance needs comes before faces and scenes; of these, what
    waits for more than ``deadline_ms`` is not computed, and its Future fails with DeadlineExceededError. What has the
    ``priority`` of what is provisional comes last, and fails with DisplacedError where what an utterance needs comes
    while it waits. No Future is
    waited for without end: where the engine does not answer for ``timeout_s``, they fail with HungError.
    """

    def __init__(
        self,
        bundle: AnyBundle,
        engine: Engine,
        max_batch: int = 16,
        *,
        batch_window_ms: float = WINDOW_MS,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self.labels: tuple[str, ...] = bundle.config.labels
        self.bundle_name = bundle.config.name
        self.weights_hash = bundle.config.weights_hash
        self.causal = bundle.config.fusion.causal
        self.thresholds = bundle.config.thresholds
        self.baseline = bundle.reference()
        self.modalities: tuple[NetworkName, ...] = bundle.config.modalities
        self.past_context = bundle.config.text.context.past
        self.future_context = bundle.config.text.context.future
        self.tells_speakers = "speaker" in bundle.config.networks
        self._config, self._prepared = bundle.config, Preparation(bundle)
        super().__init__(engine, max_batch, batch_window_ms, timeout_s)

    @classmethod
    def load(
        cls,
        bundle: Path | None = None,
        engine: EngineName = "auto",
        threads: int = 0,
        max_batch: int = 16,
        precision: PrecisionName = "auto",
        *,
        batch_window_ms: float = WINDOW_MS,
        timeout_s: float = TIMEOUT_S,
        build_in_background: bool = False,
    ) -> "Runtime":
        """Return a runtime for a bundle: a folder, or ``starter`` (the default).

        With ``build_in_background`` an engine that has to be built first is not waited for: another one computes until
        then (:class:`~models.runtime.switching.SwitchingEngine`).

        Raises:
            BundleError: the bundle is missing or damaged.
            EngineError: the engine named does not work here.
        """
        stored = StoredBundle.read(find_bundle(bundle))
        choose = choose_live_engine if build_in_background else choose_engine
        chosen = choose(engine, stored, threads, precision, reload=lambda: stored)
        return cls(stored, chosen, max_batch, batch_window_ms=batch_window_ms, timeout_s=timeout_s)

    def text(
        self, turns: Sequence[Turn], index: int, *, session: str = "", priority: Priority = "utterance"
    ) -> "Future[Branch]":
        """Read the utterance at ``index`` in the context of the turns around it, as the bundle was trained to."""
        inputs = self._prepared.text(turns, index)
        return self._worker.submit(Item("text", inputs, _first(self._config.temperatures.text), session, priority))

    def audio(self, samples: Floats, *, session: str = "", priority: Priority = "utterance") -> "Future[Branch | None]":
        """Hear an utterance: ``(n,)`` float32 in [-1, 1] at 16 kHz; of a longer one the last 15 s.

        The result is None where the bundle has no voice branch; it is that of a speaker who has said nothing before.

        Raises:
            ValueError: it is not one channel of finite numbers.
        """
        require_sound(samples)
        if "audio" not in self.modalities:
            return _known(None)
        inputs = self._prepared.audio(samples)
        return self._worker.submit(Item("audio", inputs, _first(self._config.temperatures.audio), session, priority))

    def voice(
        self,
        statistics: Floats,
        speaker: SpeakerBaseline,
        reference: BaselineReference,
        *,
        session: str = "",
        priority: Priority = "utterance",
    ) -> "Future[Branch]":
        """Hear an utterance again, by its ``statistics`` of :meth:`audio`, against its speaker's own baseline."""
        inputs = self._prepared.voice(statistics, speaker, reference)
        told = _first(self._config.temperatures.audio)
        return self._worker.submit(
            Item("voice", inputs, lambda rows: replace(told(rows), statistics=statistics), session, priority)
        )

    def faces(
        self, crops: npt.NDArray[np.uint8], *, session: str = "", deadline_ms: float | None = None
    ) -> "Future[list[Branch]]":
        """See the expressions of ``(n, 48, 48)`` grey faces, as ``crop_face`` makes them; n may be 0.

        The result is empty where the bundle has no face branch.

        Raises:
            ValueError: the crops have another shape.
        """
        require_faces(crops)
        if not len(crops) or "face" not in self.modalities:
            return _known([])
        inputs = self._prepared.faces(crops)
        finish = partial(_branches, temperature=self._config.temperatures.face)
        return self._worker.submit(Item("face", inputs, finish, session, "frame", _until(deadline_ms)))

    def detection(self, *, session: str = "", deadline_ms: float | None = None) -> DetectionNetworks:
        """Return the three networks that find faces, each run with what others ask for, as images are.

        Calling one waits for its result, and raises DeadlineExceededError where that would come too late.
        """
        return {name: partial(_detect, self._worker, name, session, deadline_ms) for name in DETECTION}

    def scene(
        self, image: npt.NDArray[np.uint8], *, session: str = "", deadline_ms: float | None = None
    ) -> "Future[Branch | None]":
        """See a whole image, ``(height, width, 3)`` RGB; the result is None where the bundle has no scene branch."""
        if "scene" not in self.modalities:
            return _known(None)
        inputs = self._prepared.scene(image)
        finish = _first(self._config.temperatures.scene)
        return self._worker.submit(Item("scene", inputs, finish, session, "frame", _until(deadline_ms)))

    def fuse(self, window: Window, *, session: str = "", priority: Priority = "utterance") -> "Future[Floats]":
        """Name the emotions of a window of the dialog: probabilities ``(utterances, classes)``.

        Raises:
            ValueError: the window is empty, its lists differ in length, or an embedding in width.
        """
        temperatures = [self._config.temperatures.for_modalities(present) for present in window.present()]

        def finish(rows: Outputs) -> Floats:
            scale = np.array(temperatures, np.float64)[:, None]
            return probabilities(rows["logits"][0, : len(temperatures)] / scale)

        inputs = fusion_inputs(window, self._config.fusion)
        return self._worker.submit(Item("fusion", inputs, finish, session, priority))

    def speaker(self, windows: Floats, *, session: str = "", priority: Priority = "utterance") -> "Future[Floats]":
        """Hear who speaks in ``(windows, samples)`` float32 in [-1, 1] at 16 kHz: embeddings ``(windows, dim)``.

        They are of unit length, so that products of two are cosines: the nearer to 1, the more alike the voices. The
        network has learned on 1.6 s, and takes 25 ms to 4 s. One call is one batch, which nothing more
        urgent interrupts: of a file, ask for some at a time. There may be none.

        Raises:
            ValueError: the bundle tells no speakers (``tells_speakers``), or these are no windows.
        """
        if not self.tells_speakers:
            message = f"the bundle {self.bundle_name} tells no speakers"
            raise ValueError(message)
        require_windows(windows)
        if not len(windows):
            return _known(np.zeros((0, self._config.speaker.dim), np.float32))
        inputs = self._prepared.speaker(windows)
        return self._worker.submit(Item("speaker", inputs, itemgetter("embedding"), session, priority))


def _known(result: Result) -> "Future[Result]":
    future: Future[Result] = Future()
    future.set_result(result)
    return future


def _until(deadline_ms: float | None) -> float | None:
    return None if deadline_ms is None else now_ms() + deadline_ms


def _branches(rows: Outputs, temperature: float) -> list[Branch]:
    told = probabilities(rows["logits"], temperature)
    statistics = rows.get("statistics", [None] * len(told))
    return [Branch(*parts) for parts in zip(rows["embedding"], told, statistics, strict=True)]


def _first(temperature: float) -> Callable[[Outputs], Branch]:
    """Return what makes a result of a single row."""
    return lambda rows: _branches(rows, temperature)[0]


def _detect(
    worker: Worker, name: DetectionName, session: str, deadline_ms: float | None, images: Floats
) -> tuple[Floats, ...]:
    def finish(rows: Outputs) -> tuple[Floats, ...]:
        return tuple(rows[output] for output in OUTPUT_NAMES[name])

    item = Item(name, {"images": images}, finish, session, "frame", _until(deadline_ms))
    found: tuple[Floats, ...] = worker.submit(item).result()
    return found
