"""What was found in a file or told in a dialog, as data; docs/analysis.schema.json is its JSON schema."""

from collections.abc import Sequence

from pydantic import Field, TypeAdapter

from models.labels import LABELS
from wire.events import NOT_SURE, Modality, Probabilities
from wire.strict import Strict


class UtteranceResult(Strict):
    """One utterance and its emotion."""

    id: int
    speaker: str
    start_ms: int
    end_ms: int
    text: str
    label: str
    uncertain: bool = Field(default=False, description="not sure: the label is less probable than what is relied upon")
    probabilities: Probabilities
    modalities: list[Modality] = Field(description="what the emotion rests on")
    face: int | None = Field(None, description="id of the face that spoke, null where that is not told")

    @property
    def confidence(self) -> float:
        """The probability of the label."""
        return self.probabilities.get(self.label, 0.0)

    @property
    def shown(self) -> str:
        """What people are shown as the emotion: the label, or that it is not sure."""
        return NOT_SURE if self.uncertain else self.label


class FaceResult(Strict):
    """One face; the id stays with it while it is in view."""

    id: int
    box: tuple[float, float, float, float] = Field(description="x1, y1, x2, y2 in pixels")
    expression: Probabilities


class FrameResult(Strict):
    """The faces of one analyzed frame."""

    time_ms: int
    participant: str = Field("", description="whose frame it is, where the session has a name")
    faces: list[FaceResult]


class WarningResult(Strict):
    """Something that was lost or is missing."""

    code: str
    message: str


class AnalysisResult(Strict):
    """Everything found in one file or dialog; times are in milliseconds of its media, or of the room."""

    file: str = Field(description="its path; of a live dialog the name of the room or session")
    duration_ms: int
    utterances: list[UtteranceResult]
    faces: list[FrameResult]
    warnings: list[WarningResult]


ANALYSIS: TypeAdapter[AnalysisResult | list[AnalysisResult]] = TypeAdapter(AnalysisResult | list[AnalysisResult])
"""The JSON of one file is an object, of several a list."""


def labels_of(results: Sequence[AnalysisResult]) -> tuple[str, ...]:
    """Return the emotions that the results name, in the usual order; bundles may have others than the usual ones."""
    said = [utterance for result in results for utterance in result.utterances]
    named = dict.fromkeys(label for utterance in said for label in (*utterance.probabilities, utterance.label))
    usual, others = [label for label in LABELS if label in named], [label for label in named if label not in LABELS]
    return (*usual, *others) or LABELS
