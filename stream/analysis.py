"""Files analyzed by the live pipeline, as fast as the machine can: ``m2fnet analyze`` and its Python call."""

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from tqdm import tqdm

from stream import events
from stream.events import Event
from stream.formats import Format, render
from stream.live_models import LiveModels
from stream.media import Media, SourceStatus
from stream.pipeline import run_session
from stream.results import (
    AnalysisResult,
    FaceResult,
    PictureResult,
    UtteranceResult,
    WarningResult,
)
from stream.session import Session
from stream.settings import Settings
from stream.sources.file import FileSource
from stream.tap import TappedSource

SPEAKER: Final = "Speaker"


class AnalysisError(Exception):
    """A file can't be analyzed; the message says why and what to do."""


class Progress:
    """A bar on standard error that follows media time."""

    def __init__(self, name: str, *, shown: bool) -> None:
        self._bar = tqdm(desc=name, unit="s", disable=not shown, file=sys.stderr, leave=False)

    def show(self, media: Media) -> None:
        """Move to the time of the media just read."""
        if not isinstance(media, SourceStatus):
            self._bar.update(max(0, media.time_ms // 1000 - self._bar.n))

    def close(self) -> None:
        """Take the bar away."""
        self._bar.close()


def analyze_file(
    path: str | Path,
    *,
    models: LiveModels,
    settings: Settings | None = None,
    speaker: str = SPEAKER,
    progress: bool = False,
) -> AnalysisResult:
    """Return the utterances, their emotions and the faces of one media file.

    Args:
        path: video with sound, video alone or sound alone, in any container FFmpeg reads.
        models: loaded once with ``LiveModels.load(settings)``, used for many files, closed by the caller.
        settings: the same as for the models; the defaults if not given.
        speaker: what the text model calls whoever speaks.
        progress: show a bar on standard error.

    Raises:
        AnalysisError: the file can't be read.
    """
    chosen = settings or Settings()
    told: list[Event] = []
    session = Session(models, chosen, told.append, speaker=speaker, live=False)
    source = FileSource(path, max_fps=2 * chosen.vision.max_fps)
    with closing(Progress(source.name, shown=progress)) as bar:
        outcome = run_session(TappedSource(source, bar.show), session, threading.Event())
    if outcome.failure is not None:
        raise AnalysisError(outcome.failure.message)
    return _collected(str(path), outcome.totals.duration_ms, told)


def _collected(file: str, duration_ms: int, told: Sequence[Event]) -> AnalysisResult:
    final = {event.utterance: event for event in told if isinstance(event, events.Emotion)}
    return AnalysisResult(
        file=file,
        duration_ms=duration_ms,
        utterances=[_utterance(final[key]) for key in sorted(final)],
        faces=[_picture(event) for event in told if isinstance(event, events.Faces)],
        warnings=[
            WarningResult(code=event.code, message=event.message)
            for event in told
            if isinstance(event, events.Warning | events.Error)
        ],
    )


def _utterance(event: events.Emotion) -> UtteranceResult:
    return UtteranceResult(
        id=event.utterance,
        speaker=event.speaker,
        start_ms=event.start_ms,
        end_ms=event.end_ms,
        text=event.text,
        label=event.label,
        probabilities=event.probabilities,
        modalities=event.modalities,
    )


def _picture(event: events.Faces) -> PictureResult:
    faces = [FaceResult(id=face.id, box=face.box, expression=face.expression) for face in event.faces]
    return PictureResult(time_ms=event.time_ms, faces=faces)


def analyze_command(
    files: Sequence[Path], form: Format, output: Path | None, settings: Settings, *, progress: bool
) -> int:
    """Analyze files, write what was found and return the exit code: 1 if any file could not be read.

    Raises:
        AnalysisError: the output can't be written.
    """
    if output is not None and not output.parent.is_dir():
        message = f"can't write {output}: the folder {output.parent} does not exist"
        raise AnalysisError(message)
    models = LiveModels.load(settings)
    try:
        results = list(_readable(files, models, settings, progress=progress))
    finally:
        models.close()
    if results:
        _write(render(results, form, several=len(files) > 1), output)
    return 0 if len(results) == len(files) else 1


def _readable(
    files: Sequence[Path], models: LiveModels, settings: Settings, *, progress: bool
) -> Iterator[AnalysisResult]:
    """Yield the results of the files that can be read; each other one gets a line on standard error."""
    for path in files:
        try:
            yield analyze_file(path, models=models, settings=settings, progress=progress)
        except AnalysisError as error:
            print(f"m2fnet: {error}", file=sys.stderr)  # noqa: T201 - the command's own report


def _write(text: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        message = f"can't write {output}: {error.strerror}"
        raise AnalysisError(message) from error
