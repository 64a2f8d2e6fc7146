"""``m2fnet analyze``: media files, as fast as the machine can."""

import logging
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated

import typer

from commands.batch import work_through
from commands.common import (
    AudioChannel,
    AudioTrack,
    Config,
    Enroll,
    Set,
    Verbose,
    err,
    read_settings,
    sound_settings,
    speaker_settings,
    told,
)
from commands.outputs import FormOption, ResultOutput, destination
from models.files.file_names import shown
from models.files.output_checks import require_outside
from stream.exports.forms import format_of

if TYPE_CHECKING:
    from stream.exports.output import ResultWriter
    from stream.live_models import LiveModels
    from stream.settings import Settings

log = logging.getLogger("m2fnet.analyze")


def analyze(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE", help="Media files of any kind; - for what comes from standard input.", show_default=False
        ),
    ],
    format_: FormOption = None,
    output: ResultOutput = None,
    audio_track: AudioTrack = None,
    audio_channel: AudioChannel = None,
    enroll: Enroll = None,
    config: Config = None,
    set_: Set = None,
    verbose: Verbose = False,
) -> None:
    """Analyze media files as fast as this machine can: the pipeline is the live one.

    A file that can't be read gets its line on standard error, the others are still done; the exit code is then 1.
    After Ctrl-C what is done is written, and what is missing is named; the exit code is then 130.

    Examples:
        m2fnet analyze talk.mp4

        m2fnet analyze *.mp4 --format json -o results.json

        m2fnet analyze talk.mp4 -o talk.html

        m2fnet analyze *.mp4 --format srt -o subtitles/

        m2fnet analyze talk.wav -o talk.vtt --set transcriber.model=small.en

        ffmpeg -i rtsp://camera.local/stream -t 60 -f matroska - | m2fnet analyze -
    """
    with told(verbose=verbose):
        settings = read_settings(
            config, [*(set_ or []), *sound_settings(audio_track, audio_channel), *speaker_settings(enroll)]
        )
        from stream.exports.output import ResultWriter  # noqa: PLC0415 - see cli.py's docstring
        from stream.sources.standard_input import input_name  # noqa: PLC0415 - as above

        paths = [local_path(file) for file in files]
        place = destination(output)
        if place is not None and settings.runtime.bundle is not None:
            require_outside([place], [settings.runtime.bundle])
        writer = ResultWriter(
            format_ or format_of(place),
            place,
            [PurePath(input_name(path)).stem for path in paths],
            inputs=[*map(Path, paths), *([config] if config else [])],
            several=len(paths) > 1,
        )
        with closing(Analysis(paths, settings, writer)) as analysis:
            code = work_through(paths, analysis)
        raise typer.Exit(code)


def local_path(file: str) -> str:
    """Return the path of a file that was named by it, or by its ``file://`` address.

    Raises:
        InputError: it is another address.
    """
    if "://" not in file or Path(file).exists():
        return file
    from stream.sources.open import file_of_address  # noqa: PLC0415 - as above
    from stream.sources.redact import redact_url  # noqa: PLC0415 - as above
    from stream.sources.standard_input import InputError  # noqa: PLC0415 - as above

    if (path := file_of_address(file)) is not None:
        return path
    address = redact_url(file)
    message = f"{address} is an address, and analyze reads files; analyze it live: m2fnet serve --source {address}"
    raise InputError(message)


class Analysis:
    """The analysis of several files: the models are loaded once, each result is written when it is there."""

    def __init__(self, files: Sequence[str], settings: "Settings", writer: "ResultWriter") -> None:
        self._files, self._settings, self._writer = files, settings, writer
        self._models: LiveModels | None = None

    def check(self, number: int) -> None:
        """See whether a file can be read; what comes from a pipe shows later."""
        from stream.sources.file import FileSource  # noqa: PLC0415 - as above
        from stream.sources.standard_input import is_pipe  # noqa: PLC0415 - as above

        if not is_pipe(self._files[number]):
            FileSource(self._files[number]).check()

    def start(self) -> None:
        """Load the models."""
        from stream.live_models import LiveModels  # noqa: PLC0415 - as above

        self._models = LiveModels.load(self._settings)

    def work(self, number: int) -> None:
        """Analyze a file."""
        from stream.analysis import analyze_file  # noqa: PLC0415 - as above
        from stream.sources.standard_input import as_file, input_name  # noqa: PLC0415 - as above

        given = self._files[number]
        assert self._models is not None, "not started"  # noqa: S101 - a slip of ours
        with as_file(given) as path:
            result = analyze_file(path, models=self._models, settings=self._settings, progress=err.is_terminal)
        for warning in result.warnings:
            log.warning("%s: %s", shown(input_name(given)), warning.message)
        self._writer.add(number, result.model_copy(update={"file": shown(input_name(given))}))

    def finish(self) -> None:
        """Write what was kept."""
        self._writer.close()

    def close(self) -> None:
        """Let go of the models."""
        if self._models is not None:
            self._models.close()
