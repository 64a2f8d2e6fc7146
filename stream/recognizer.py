"""From one utterance and its dialog to an emotion: the last steps, which need every feature at hand."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from models.runtime.runtime import Branch, Runtime
from stream.dialog import Dialog, DialogUtterance
from stream.events import Modality, Probabilities

Floats = npt.NDArray[np.float32]

_CHANGED: Final = 0.005  # a revision that moves no probability by more says nothing new


@dataclass(frozen=True, eq=False)
class Recognition:
    """The emotion of one utterance, and the dialog with it."""

    utterance: DialogUtterance
    dialog: Dialog
    label: str
    probabilities: Probabilities
    features_ms: float
    fusion_ms: float

    @property
    def modalities(self) -> list[Modality]:
        """Return what the emotion rests on."""
        return present(self.utterance)


def present(utterance: DialogUtterance) -> list[Modality]:
    """Return the modalities an utterance has."""
    found: list[tuple[Modality, Floats | None]] = [
        ("text", utterance.text),
        ("audio", utterance.audio),
        ("face", utterance.face),
        ("scene", utterance.scene),
    ]
    return [name for name, features in found if features is not None]


class Recognizer:
    """Holds one participant's dialog; :meth:`recognize` tries an utterance, :meth:`keep` commits it."""

    def __init__(
        self, runtime: Runtime, window: int, clock: Callable[[], float] = time.perf_counter, *, session: str = ""
    ) -> None:
        self._runtime, self._session = runtime, session
        self._clock = clock
        self._dialog = Dialog(window)
        self._told: dict[int, Probabilities] = {}

    def recognize(self, utterance: DialogUtterance, audio: Branch | None) -> Recognition:
        """Return the emotion of an utterance in the dialog so far, without keeping it there.

        Args:
            utterance: with its words and face; without words the text is absent.
            audio: the voice's features, None if there is no sound.
        """
        start = self._clock()
        heard = replace(utterance, audio=None if audio is None else audio.embedding)
        dialog = self._dialog.with_utterance(heard)
        if heard.words:
            text = self._runtime.text(dialog.turns(), dialog.index(heard), session=self._session).result().embedding
            heard = replace(heard, text=text)
            dialog = dialog.with_utterance(heard)
        middle = self._clock()
        row = self._runtime.fuse(dialog.window(), session=self._session).result()[dialog.index(heard)]
        end = self._clock()
        spent = (middle - start) * 1000, (end - middle) * 1000
        return Recognition(heard, dialog, self._label(row), self._named(row), *spent)

    def keep(self, recognition: Recognition) -> None:
        """Commit an utterance that has ended to the dialog."""
        self._dialog = recognition.dialog
        self._told[recognition.utterance.id] = recognition.probabilities
        remembered = {utterance.id for utterance in self._dialog.utterances}
        self._told = {key: value for key, value in self._told.items() if key in remembered}

    def revisions(self) -> list[Recognition]:
        """Return the earlier utterances that what came after them has changed.

        Empty with a causal bundle that reads no future turns, in which nothing later reaches an earlier utterance.
        """
        if self._runtime.causal and not self._runtime.future_context:
            return []
        start = self._clock()
        self._read_again()
        rows = self._runtime.fuse(self._dialog.window(), session=self._session).result()
        spent = (self._clock() - start) * 1000
        changed = [
            Recognition(utterance, self._dialog, self._label(row), self._named(row), 0.0, spent)
            for utterance, row in zip(self._dialog.utterances[:-1], rows, strict=False)
            if self._differs(utterance.id, row)
        ]
        self._told |= {recognition.utterance.id: recognition.probabilities for recognition in changed}
        return changed

    def _read_again(self) -> None:
        """Embed again the texts whose context has grown, where the bundle's context reaches forward."""
        turns = self._dialog.turns()
        last = len(turns) - 1
        for index in range(max(0, last - self._runtime.future_context), last):
            utterance = self._dialog.utterances[index]
            if utterance.words:
                text = self._runtime.text(turns, index, session=self._session).result().embedding
                self._dialog = self._dialog.with_utterance(replace(utterance, text=text))

    def _differs(self, identity: int, row: Floats) -> bool:
        told = self._told.get(identity)
        return told is None or max(abs(a - b) for a, b in zip(told.values(), row, strict=True)) > _CHANGED

    def _label(self, row: Floats) -> str:
        return self._runtime.labels[int(row.argmax())]

    def _named(self, row: Floats) -> Probabilities:
        return dict(zip(self._runtime.labels, map(float, row), strict=True))
