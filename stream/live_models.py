"""The trained models that all sessions of a process share, loaded once."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from models.face_settings import FaceSettings
from models.networks.faces import FaceDetector
from models.runtime.engine import ServedName
from models.runtime.fallback import Fallback
from models.runtime.figures import BatchFigures
from models.runtime.runtime import Runtime
from models.runtime.schedule import Priority
from models.runtime.switching import EngineState
from models.runtime.worker import DropReason
from stream.settings import RuntimeSettings, Settings, VisionSettings
from stream.speech.transcriber import AsrFigures, SpeechToText, Transcriber
from stream.vision.delays import APART_MS, TOGETHER_MS
from stream.vision.face_analyzer import FaceAnalyzer


@dataclass(frozen=True)
class ModelFigures:
    """How the models of a process stand at one moment.

    Attributes:
        engine: what computes, and what is being built to take its place.
        bundle: the trained weights.
        fallbacks: engines that were given up.
        computed: what each network has computed.
        waiting: inputs that wait for a network, by what they are for.
        dropped: inputs that were not computed, by network and reason.
        asr_name: the speech model.
        asr: what speech recognition has done, and what waits for it.
        hanging: what does not answer at present, None where all does.
    """

    engine: EngineState
    bundle: str
    fallbacks: Sequence[Fallback]
    computed: Mapping[ServedName, BatchFigures]
    waiting: Mapping[Priority, int]
    dropped: Mapping[tuple[ServedName, DropReason], int]
    asr_name: str
    asr: AsrFigures
    hanging: str | None


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
        # Beside each other: most of it is done by native libraries, each on one core.
        with ThreadPoolExecutor(1, "loading") as pool:
            transcriber = pool.submit(Transcriber, settings.transcriber)
            try:
                runtime = _runtime(settings.runtime, build_in_background=build_in_background)
            except BaseException:
                if transcriber.exception() is None:
                    transcriber.result().close()
                raise
        try:
            return cls(runtime, transcriber.result(), settings.vision)
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
        faces = FaceSettings(vision.min_face, vision.detection_width, vision.min_confidence, vision.max_faces)
        return FaceAnalyzer(
            FaceDetector(faces, networks=networks),
            self.runtime,
            detect_every=settings.detect_every,
            eager=live,
            speaking_face=settings.speaking_face == "auto",
            apart_ms=APART_MS if live else TOGETHER_MS,
            session=session,
            deadline_ms=deadline_ms,
        )

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the emotions, in the order of the probabilities."""
        return self.runtime.labels

    @property
    def figures(self) -> ModelFigures:
        """How the models stand now."""
        runtime, transcriber = self.runtime, self.transcriber
        return ModelFigures(
            engine=runtime.engine_state,
            bundle=runtime.bundle_name,
            fallbacks=tuple(runtime.fallbacks),
            computed=runtime.computed,
            waiting=runtime.waiting,
            dropped=runtime.dropped,
            asr_name=transcriber.name,
            asr=transcriber.figures,
            hanging="the engine" if runtime.hangs else "speech recognition" if transcriber.hangs else None,
        )

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
