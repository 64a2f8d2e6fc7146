"""A file analyzed by the live pipeline, as fast as the machine can."""

import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Final

from tqdm import tqdm

from models.files.file_names import shown
from models.user_error import UserError
from stream.exports.from_events import dialog_from_events
from stream.exports.results import AnalysisResult
from stream.live_models import LiveModels
from stream.media import Media, SourceStatus
from stream.pipeline import run_session
from stream.session import Session
from stream.settings import Settings
from stream.sources.file import FileSource
from stream.sources.sound_tracks import SoundChoice
from wire.events import Event, SessionClosed

SPEAKER: Final = "Speaker"


class AnalysisError(UserError):
    """A file can't be analyzed; the message says why and what to do."""


class ProgressBar:
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
        AnalysisError: the file can't be read, or the speech model does not know the language of the settings.
    """
    chosen = settings or Settings()
    told: list[Event] = []
    try:
        models.check_language(chosen.transcriber.language)
    except ValueError as error:
        raise AnalysisError(str(error)) from None
    session = Session(models, chosen, told.append, speaker=speaker, live=False)
    sound = SoundChoice(chosen.sources.audio_track, chosen.sources.audio_channel)
    source = FileSource(path, max_fps=chosen.vision.frames_a_second(live=False), sound=sound)
    with closing(ProgressBar(source.name, shown=progress)) as bar:
        outcome = run_session(source, session, threading.Event(), [bar.show])
    if outcome.failure is not None:
        raise AnalysisError(outcome.failure.message)
    told.append(SessionClosed(reason=outcome.reason, totals=outcome.totals))
    return dialog_from_events(told, shown(path))
