"""What ``m2fnet analyze`` finds in a file, as data; docs/analysis.schema.json is its JSON schema."""

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from stream.events import Modality, Probabilities


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class UtteranceResult(_Result):
    """One utterance and its emotion."""

    id: int
    speaker: str
    start_ms: int
    end_ms: int
    text: str
    label: str
    probabilities: Probabilities
    modalities: list[Modality] = Field(description="what the emotion rests on")


class FaceResult(_Result):
    """One face; the id stays with it while it is in view."""

    id: int
    box: tuple[float, float, float, float] = Field(description="x1, y1, x2, y2 in pixels")
    expression: Probabilities


class PictureResult(_Result):
    """The faces of one analyzed picture."""

    time_ms: int
    faces: list[FaceResult]


class WarningResult(_Result):
    """Something that was lost or is missing."""

    code: str
    message: str


class AnalysisResult(_Result):
    """Everything found in one file; times are media time in milliseconds."""

    file: str
    duration_ms: int
    utterances: list[UtteranceResult]
    faces: list[PictureResult]
    warnings: list[WarningResult]


ANALYSIS: TypeAdapter[AnalysisResult | list[AnalysisResult]] = TypeAdapter(AnalysisResult | list[AnalysisResult])
"""The JSON of one file is an object, of several a list."""
