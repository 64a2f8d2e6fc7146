"""From one utterance and its dialog to an emotion: the last steps, which need every feature at hand."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from models.runtime.runtime import Branch, Runtime
from stream.dialog import Dialog, DialogUtterance
from stream.events import Modality, Probabilities, UtteranceKey, likeliest
from stream.shared_dialog import SharedDialog

Floats = npt.NDArray[np.float32]

_CHANGED: Final = 0.005  # a revision that moves no probability by more says nothing new


@dataclass(frozen=True, eq=False)
class Recognition:
    """The emotion of one utterance; ``context`` names those before it in the dialog it was read in."""

    utterance: DialogUtterance
    context: tuple[UtteranceKey, ...]
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
    """Names the emotions of one session in its conversation; :meth:`keep` commits what :meth:`recognize` tried."""

    def __init__(
        self,
        runtime: Runtime,
        dialog: SharedDialog,
        clock: Callable[[], float] = time.perf_counter,
        *,
        session: str = "",
    ) -> None:
        self._runtime, self._session = runtime, session
        self._clock = clock
        self._shared = dialog

    def recognize(self, utterance: DialogUtterance, audio: Branch | None) -> Recognition:
        """Return the emotion of an utterance in the dialog so far, without keeping it there.

        Args:
            utterance: with its words and face; without words the text is absent.
            audio: the voice's features, None if there is no sound.
        """
        start = self._clock()
        heard = replace(utterance, audio=None if audio is None else audio.embedding)
        dialog = self._shared.now.with_utterance(heard)
        if heard.words:
            heard = self._read(dialog, heard)
            dialog = dialog.with_utterance(heard)
        middle = self._clock()
        row = self._runtime.fuse(dialog.window(), session=self._session).result()[dialog.index(heard)]
        end = self._clock()
        spent = (middle - start) * 1000, (end - middle) * 1000
        named = self._named(row)
        return Recognition(heard, _before(dialog, heard), likeliest(named), named, *spent)

    def keep(self, recognition: Recognition) -> None:
        """Commit an utterance that has ended to the dialog."""
        self._shared.keep(recognition.utterance, recognition.probabilities)

    def revisions(self, recognition: Recognition) -> list[Recognition]:
        """Return the utterances whose emotion is another now that this one was kept, those of other sessions too.

        With a causal bundle that reads no future turns these are the ones that came after it, of participants who began
        later and were done sooner, and itself where such a one was kept since it was recognized.
        """
        new, dialog = recognition.utterance, self._shared.now
        if not dialog.holds(new.key):
            return []
        stale = recognition.context != _before(dialog, new)
        if not (stale or self._reaches(dialog, dialog.index(new))):
            return []
        start = self._clock()
        self._read_again(dialog, dialog.index(new), itself=stale)
        dialog = self._shared.now
        rows = self._runtime.fuse(dialog.window(), session=self._session).result()
        spent = (self._clock() - start) * 1000
        found = [(said, self._named(row)) for said, row in zip(dialog.utterances, rows, strict=True)]
        return [
            Recognition(said, _before(dialog, said), likeliest(named), named, 0.0, spent)
            for said, named in self._shared.news(found, _CHANGED)
        ]

    def _reaches(self, dialog: Dialog, index: int) -> bool:
        """Return whether the utterance at ``index`` can change any other."""
        both_ways = bool(self._runtime.future_context) or not self._runtime.causal
        return len(dialog.utterances) > 1 if both_ways else index < len(dialog.utterances) - 1

    def _read_again(self, dialog: Dialog, index: int, *, itself: bool) -> None:
        """Embed again the texts in whose context the utterance at ``index`` now stands."""
        last = min(len(dialog.utterances) - 1, index + self._runtime.past_context)
        for other in range(max(0, index - self._runtime.future_context), last + 1):
            said = dialog.utterances[other]
            if said.words and (itself or other != index):
                self._shared.read_again(self._read(dialog, said))

    def _read(self, dialog: Dialog, said: DialogUtterance) -> DialogUtterance:
        branch = self._runtime.text(dialog.turns(), dialog.index(said), session=self._session).result()
        return replace(said, text=branch.embedding)

    def _named(self, row: Floats) -> Probabilities:
        return dict(zip(self._runtime.labels, map(float, row), strict=True))


def _before(dialog: Dialog, utterance: DialogUtterance) -> tuple[UtteranceKey, ...]:
    return tuple(item.key for item in dialog.utterances[: dialog.index(utterance)])
