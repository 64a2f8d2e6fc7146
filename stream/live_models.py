"""The trained models that all sessions of a process share, loaded once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.networks.faces import FaceDetector
from models.runtime.engine import ServedName
from models.runtime.fallback import Fallback
from models.runtime.figures import BatchFigures
from models.runtime.runtime import Runtime
from models.runtime.schedule import Priority
from models.runtime.switching import EngineState
from stream.settings import RuntimeSettings, Settings, VisionSettings
from stream.speech.transcriber import AsrFigures, SpeechToText, Transcriber
from stream.vision.video_analyzer import FaceAnalyzer


@dataclass(frozen=True)
class LiveModels:
    """The emotion runtime, the speech recogniser, and how faces are found."""

    runtime: Runtime
    transcriber: SpeechToText
    vision: VisionSettings

    @classmethod
    def load(cls, settings: Settings, *, build_in_background: bool = False) -> "LiveModels":
        """Load everything; an engine that has to be built is waited for, unless that is to go on in the background.

        Raises:
            BundleError: the bundle is missing or damaged.
            EngineError: the engine named does not work here.
            AsrModelError: no speech model is found, or it does not know the language of the settings.
        """
        runtime = _runtime(settings.runtime, build_in_background=build_in_background)
        try:
            return cls(runtime, Transcriber(settings.transcriber), settings.vision)
        except BaseException:
            runtime.close()
            raise

    def check_language(self, language: str | None) -> None:
        """Do nothing when speech recognition knows the ISO 639-1 code; None is always known.

        Raises:
            ValueError: it does not; the message has those it knows.
        """
        self.transcriber.check_language(language)

    def face_analyzer(self, settings: VisionSettings, *, session: str, live: bool) -> FaceAnalyzer:
        """Return what analyzes a session's frames on the runtime's engine; live, none waits longer than it may."""
        deadline_ms = settings.deadline_ms if live else None
        vision, networks = self.vision, self.runtime.detection(session=session, deadline_ms=deadline_ms)
        limits = vision.min_face, vision.detection_width, vision.min_confidence, vision.max_faces
        return FaceAnalyzer(
            FaceDetector(*limits, networks=networks),
            self.runtime,
            detect_every=settings.detect_every,
            session=session,
            deadline_ms=deadline_ms,
        )

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the emotions, in the order of the probabilities."""
        return self.runtime.labels

    @property
    def engine_name(self) -> str:
        """Return the engine in use."""
        return self.runtime.engine_name

    @property
    def engine_state(self) -> EngineState:
        """Return the engine in use and the one that is being built to take its place."""
        return self.runtime.engine_state

    @property
    def is_building(self) -> bool:
        """Return whether an engine is being built, which may go on for minutes after :meth:`close`."""
        return self.runtime.is_building

    @property
    def bundle_name(self) -> str:
        """Return the bundle in use."""
        return self.runtime.bundle_name

    @property
    def asr_name(self) -> str:
        """Return the speech model in use."""
        return self.transcriber.name

    @property
    def hanging(self) -> str | None:
        """Return what does not answer at present, None where all does."""
        if self.runtime.hangs:
            return "the engine"
        return "speech recognition" if self.transcriber.hangs else None

    @property
    def dropped_requests(self) -> dict[str, dict[str, int]]:
        """Return how many inputs of each network were not computed, by reason."""
        counted: dict[str, dict[str, int]] = {}
        for (network, reason), count in self.runtime.dropped.items():
            counted.setdefault(network, {})[reason] = count
        return counted

    @property
    def fallbacks(self) -> Sequence[Fallback]:
        """Return the engines that were given up so far."""
        return self.runtime.fallbacks

    @property
    def computed(self) -> Mapping[ServedName, BatchFigures]:
        """Return what the networks computed so far."""
        return self.runtime.computed

    @property
    def waiting_requests(self) -> Mapping[Priority, int]:
        """Return how many inputs wait for a network, by what they are for."""
        return self.runtime.waiting

    @property
    def asr_figures(self) -> AsrFigures:
        """Return what speech recognition did so far and what waits for it."""
        return self.transcriber.figures

    def close(self) -> None:
        """Stop the workers."""
        self.transcriber.close()
        self.runtime.close()


def _runtime(settings: RuntimeSettings, *, build_in_background: bool) -> Runtime:
    return Runtime.load(
        settings.bundle,
        settings.engine,
        settings.threads,
        settings.max_batch,
        settings.precision,
        batch_window_ms=settings.batch_window_ms,
        timeout_s=settings.timeout_s,
        build_in_background=build_in_background,
    )
