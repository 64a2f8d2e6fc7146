"""An evaluation from the request to the report: bundles and data are loaded here, and what is absent is noted."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.bundle import Bundle, load_bundle
from trainer.data.conversation import Conversations
from trainer.data.names import CLIPS, CONVERSATIONS, FACES, Dataset
from trainer.data.registry import load_clips, load_conversations, load_faces
from trainer.dialogs.features import MODALITIES, Modality
from trainer.evaluation.branches import face_row
from trainer.evaluation.conversations import (
    ReadConversations,
    branch_rows,
    fused_row,
    read_conversations,
)
from trainer.evaluation.modalities import subsets
from trainer.evaluation.notes import fault_notes, skipped_notes
from trainer.evaluation.relabel import relabelled_conversations
from trainer.evaluation.report import NamedScores, Report, over_bundles
from trainer.evaluation.scores import EvaluationError
from trainer.evaluation.views import VIEWS
from trainer.evaluation.voices import VoiceReport, audio_rows
from trainer.features.transcripts import Transcribe, transcripts


@dataclass(frozen=True)
class Recogniser:
    """A speech recogniser, with a name that changes with its model and its settings."""

    name: str
    transcribe: Transcribe


@dataclass(frozen=True)
class EvaluationRequest:
    """What is asked for.

    Attributes:
        bundles: folders, or configurations in them; several are seeds of the same model.
        dataset: the corpus's name.
        root: where it is.
        split: a name, or a file or folder.
        cache: where features are kept.
        modalities: what the fusion is given; None: all that there is.
        grid: also a row for each subset of text, audio and visual.
        recogniser: also the rows with text, on the words that it recognises.
    """

    bundles: tuple[Path, ...]
    dataset: Dataset
    root: Path
    split: str
    cache: Path
    modalities: tuple[Modality, ...] | None = None
    grid: bool = False
    recogniser: Recogniser | None = None

    @property
    def wanted(self) -> tuple[Modality, ...]:
        """Return the modalities to look for."""
        return MODALITIES if self.grid or self.modalities is None else self.modalities


@dataclass(frozen=True)
class _Found:
    """The rows of one bundle, and what must be said about them."""

    rows: Sequence[NamedScores]
    notes: tuple[str, ...]


def evaluate(request: EvaluationRequest) -> Report:
    """Score the bundles on the data.

    Raises:
        BundleError: a bundle can't be read.
        DatasetError: the data are missing or not as they should be.
        EvaluationError: the bundle can't be scored on these data as asked.
        FileError: the cache can't be written.
    """
    found = [_on(load_bundle(path), request) for path in request.bundles]
    kind = VoiceReport if request.dataset in CLIPS else Report
    return kind(
        dataset=request.dataset,
        split=request.split,
        bundles=tuple(path.name.removesuffix(".json") for path in request.bundles),
        rows=over_bundles([one.rows for one in found]),
        notes=tuple(dict.fromkeys(note for one in found for note in one.notes)),
    )


def _on(bundle: Bundle, request: EvaluationRequest) -> _Found:
    if request.dataset in CONVERSATIONS:
        return _conversations(bundle, request)
    return _faces(bundle, request) if request.dataset in FACES else _clips(bundle, request)


def _conversations(bundle: Bundle, request: EvaluationRequest) -> _Found:
    media = request.recogniser is not None or request.wanted != ("text",)
    labels = bundle.config.labels
    loaded = load_conversations(request.dataset, request.root, request.split, media=media, labels=labels)
    conversations = relabelled_conversations(loaded, labels)
    read = read_conversations(bundle, conversations, request.cache, request.wanted)
    given = _given(request, read.present)
    rows = [fused_row(bundle, read, given, view) for view in VIEWS] + branch_rows(bundle, read, given)
    rows += _grid(bundle, read, given) if request.grid else []
    rows += _recognised(bundle, conversations, request, read, given)
    notes = (
        *_absent(request, read.present),
        *skipped_notes(loaded.skipped, len(loaded.utterances) + len(loaded.skipped), "utterances"),
        *fault_notes(read.faults, len(loaded.utterances)),
    )
    return _Found(rows, notes)


def _given(request: EvaluationRequest, there: Collection[Modality]) -> tuple[Modality, ...]:
    """Return the modalities of the main row."""
    given = tuple(name for name in request.modalities or MODALITIES if name in there)
    if not given:
        message = f"{request.root} has no {' or '.join(request.modalities or MODALITIES)} that the bundle can use"
        raise EvaluationError(message)
    return given


def _grid(bundle: Bundle, read: ReadConversations, given: tuple[Modality, ...]) -> list[NamedScores]:
    """Return a row for each subset of what is there, but for what the first row has."""
    return [fused_row(bundle, read, some, "moment") for some in subsets(read.present) if some != given]


def _recognised(
    bundle: Bundle,
    conversations: Conversations,
    request: EvaluationRequest,
    read: ReadConversations,
    given: tuple[Modality, ...],
) -> list[NamedScores]:
    """Return the rows with text on the words that a speech recogniser hears in the utterances."""
    if request.recogniser is None or "text" not in given:
        return []
    heard = transcripts(conversations, request.recogniser.transcribe, request.recogniser.name, request.cache)
    if not any(item.turn.text for item in heard.utterances):
        message = f"--asr needs the clips of the utterances, and {request.root} has none in which words are heard"
        raise EvaluationError(message)
    again = read_conversations(bundle, heard, request.cache, request.wanted, "recognised")
    chosen = [some for some in subsets(read.present) if "text" in some] if request.grid else []
    first = [fused_row(bundle, again, given, view) for view in VIEWS] + branch_rows(bundle, again, ["text"])
    return first + [fused_row(bundle, again, some, "moment") for some in chosen if some != given]


def _absent(request: EvaluationRequest, there: Collection[Modality]) -> tuple[str, ...]:
    """Return a note on what was looked for and is not there."""
    missing = [name for name in request.wanted if name not in there]
    if not missing:
        return ()
    return (f"no {', '.join(missing)}: absent with its mask (the data or the bundle have none)",)


def _faces(bundle: Bundle, request: EvaluationRequest) -> _Found:
    judged = face_row(bundle, load_faces(request.dataset, request.root, request.split), request.dataset)
    return _Found(judged.rows, judged.notes)


def _clips(bundle: Bundle, request: EvaluationRequest) -> _Found:
    judged = audio_rows(bundle, load_clips(request.dataset, request.root, request.split))
    return _Found(judged.rows, judged.notes)
