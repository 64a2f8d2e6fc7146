"""From one utterance and its dialog to an emotion: the last steps, which need every feature at hand."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from models.runtime.runtime import Branch, Runtime
from models.runtime.schedule import DisplacedError, Priority
from stream.dialog.dialog import Dialog, DialogUtterance, Reach, Reading, Respoken
from stream.dialog.shared_dialog import SharedDialog
from stream.dialog.steps import Steps, waited
from wire.events import MODALITIES, Modality, Probabilities, UtteranceKey, likeliest

Floats = npt.NDArray[np.float32]

_ANYTHING: Final = -1.0  # moved by: whatever was found is told
_CHANGED: Final = 0.005  # a revision that moves no probability by more says nothing new
_ATTEMPTS: Final = 2  # to fuse: what failed once may have been the batch's fault


class NoEmotionError(Exception):
    """What computes the emotion of an utterance failed; its cause says why."""


Context = tuple[tuple[UtteranceKey, Reading | None], ...]


@dataclass(frozen=True, eq=False)
class Recognition:
    """The emotion of one utterance, ``uncertain`` where it is less probable than what is relied upon.

    ``context`` is what it rests on: utterances, each with what it was read among.
    """

    utterance: DialogUtterance
    context: Context
    label: str
    uncertain: bool
    probabilities: Probabilities
    features_ms: float
    fusion_ms: float

    @property
    def modalities(self) -> list[Modality]:
        """Return what the emotion rests on."""
        return present(self.utterance)


@dataclass(frozen=True, eq=False)
class Kept:
    """An utterance that is part of the conversation now: the dialog with it, and which revision tells it."""

    recognition: Recognition
    dialog: Dialog
    revision: int


def present(utterance: DialogUtterance) -> list[Modality]:
    """Return the modalities an utterance has."""
    return [name for name in MODALITIES if getattr(utterance, name) is not None]


class Recognizer:
    """Names the emotions of one session in its conversation; :meth:`keep` commits what :meth:`recognize` tried.

    Args:
        threshold: the least probability of an emotion that is not uncertain; None: the bundle's own.
        unread: told of an utterance whose words could not be read, and why: its text is absent, or as it was.
    """

    def __init__(
        self,
        runtime: Runtime,
        dialog: SharedDialog,
        clock: Callable[[], float] = time.perf_counter,
        *,
        session: str = "",
        threshold: float | None = None,
        unread: Callable[[UtteranceKey, Exception], None] = lambda *_: None,
    ) -> None:
        self._runtime, self._session, self._threshold, self._unread = runtime, session, threshold, unread
        self._reach = Reach(runtime.past_context, runtime.future_context)
        self._clock = clock
        self._shared = dialog

    def recognize(self, utterance: DialogUtterance, audio: Branch | None) -> Recognition:
        """Return the emotion of an utterance in the dialog so far, without keeping it there.

        Args:
            utterance: with its words and face; without words the text is absent.
            audio: the voice's features, None if there is no sound.

        Raises:
            NoEmotionError: there is nothing that it could rest on, or the fusion failed.
        """
        return waited(self.steps(utterance, audio, self._shared.now))

    def steps(
        self, utterance: DialogUtterance, audio: Branch | None, dialog: Dialog, priority: Priority = "utterance"
    ) -> Steps[Recognition]:
        """Do as :meth:`recognize`, in a dialog as it was, and as urgently as is said.

        What is provisional ends with DisplacedError where it is in the way.
        """
        start = self._clock()
        heard = replace(utterance, audio=None if audio is None else audio.embedding)
        dialog = dialog.with_utterance(heard, self._reach)
        place = dialog.index(heard)
        dialog = yield from self._read(dialog, self._rests_on(dialog, place), priority)
        middle = self._clock()
        if not present(dialog.utterances[place]):
            message = "neither words nor voice nor a face are known of it"
            raise NoEmotionError(message)
        row = (yield from self._fused(dialog, priority))[place]
        end = self._clock()
        spent = (middle - start) * 1000, (end - middle) * 1000
        return self._recognition(dialog, place, row, *spent)

    def early(self, recognition: Recognition) -> int:
        """Return the number of the revision that tells what may still be taken back, or tells again what was told."""
        return self._shared.early(recognition.utterance.key)

    def keep(self, recognition: Recognition) -> Kept:
        """Commit an utterance that has ended to the dialog."""
        found = recognition.utterance, recognition.probabilities
        return Kept(recognition, *self._shared.keep(*found, self._reach))

    def respoken(
        self, changes: Mapping[UtteranceKey, Respoken], moved: Collection[UtteranceKey]
    ) -> list[tuple[int, Recognition]]:
        """Take that others said the utterances that moved; return what is told anew, numbered: these, and what changes.

        Of those that the dialog has forgotten, nothing is found anew.

        Args:
            changes: how these, and others' voices for their sake, are told now.
            moved: which of them are told whatever is found.

        Raises:
            NoEmotionError: the fusion failed.
        """
        dialog = self._shared.respeak(changes)
        if not dialog.utterances:
            return []
        found = self._all(dialog)
        named = {key: each.probabilities for key, each in found.items()}
        surely = [(key, now) for key, now in named.items() if key in moved]
        perhaps = [(key, now) for key, now in named.items() if key not in moved]
        news = self._shared.news(surely, dialog.version, _ANYTHING)
        news |= self._shared.news(perhaps, dialog.version, _CHANGED)
        return [(number, found[key]) for key, number in news.items()]

    def _all(self, dialog: Dialog) -> dict[UtteranceKey, Recognition]:
        """Return what all utterances of a dialog are found to be in it."""
        start = self._clock()
        dialog = waited(self._read(dialog, dialog.utterances))
        rows = waited(self._fused(dialog))
        spent = (self._clock() - start) * 1000
        places = range(len(dialog.utterances))
        found = (self._recognition(dialog, place, rows[place], 0.0, spent) for place in places)
        return {each.utterance.key: each for each in found}

    def revisions(self, kept: Kept) -> list[tuple[int, Recognition]]:
        """Return the utterances whose emotion is another now that this one was kept, numbered; others' too.

        With a causal bundle that reads no future turns these are the ones that came after it, of participants who began
        later and were done sooner, and itself where such a one was kept since it was recognized. They are named in the
        dialog as it was when this one was kept: what others keep meanwhile is for them to see to, and what they have
        told by then of a newer dialog is not told again.

        Raises:
            NoEmotionError: the fusion failed.
        """
        dialog, new = kept.dialog, kept.recognition.utterance
        forgotten = not dialog.holds(new.key)
        if forgotten:  # it began before all that are remembered
            dialog = dialog.with_utterance(new, self._reach)
        place = dialog.index(new)
        stale = kept.recognition.context != _context(self._rests_on(dialog, place))
        reached = [place] if forgotten else self._reached(dialog, place)
        if not stale and reached == [place]:
            return []
        found = self._all(dialog)
        told = {key: found[key] for key in (dialog.utterances[index].key for index in reached)}
        named = [(key, each.probabilities) for key, each in told.items()]
        return [(number, told[key]) for key, number in self._shared.news(named, dialog.version, _CHANGED).items()]

    def _rests_on(self, dialog: Dialog, place: int) -> tuple[DialogUtterance, ...]:
        """Return the utterances that the emotion of the one at ``place`` depends on, itself among them."""
        return dialog.utterances[: place + 1] if self._runtime.causal else dialog.utterances

    def _reached(self, dialog: Dialog, place: int) -> list[int]:
        """Return the places of the utterances that the one at ``place`` can change, its own among them."""
        first = max(0, place - self._reach.future) if self._runtime.causal else 0
        return list(range(first, len(dialog.utterances)))

    def _read(
        self, dialog: Dialog, needed: Iterable[DialogUtterance], priority: Priority = "utterance"
    ) -> Steps[Dialog]:
        """Return a dialog with the words read that are not, or were among other turns; all may use what is found."""
        asked = [
            (said.key, said.reading, self._text(said.reading, priority))
            for said in needed
            if said.unread and said.reading is not None
        ]
        for key, reading, future in asked:
            try:
                text = (yield future).embedding
            except DisplacedError:  # nothing is wrong with the words
                raise
            except Exception as error:  # noqa: BLE001 - whatever an engine raises, the text is absent
                self._unread(key, error)
                continue
            self._shared.read(key, reading, text)
            dialog = dialog.reading(key, reading, text)
        return dialog

    def _text(self, reading: Reading, priority: Priority) -> "Future[Branch]":
        return self._runtime.text(reading.turns, reading.index, session=self._session, priority=priority)

    def _fused(self, dialog: Dialog, priority: Priority = "utterance") -> Steps[Floats]:
        """Return the probabilities of a dialog's utterances, ``(utterances, classes)``."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                rows: Floats = yield self._runtime.fuse(dialog.window(), session=self._session, priority=priority)
            except DisplacedError:
                raise
            except Exception as error:
                if attempt == _ATTEMPTS:
                    raise NoEmotionError from error
            else:
                return rows
        raise AssertionError

    def _recognition(
        self, dialog: Dialog, place: int, row: Floats, features_ms: float, fusion_ms: float
    ) -> Recognition:
        named = dict(zip(self._runtime.labels, map(float, row), strict=True))
        context, label, utterance = _context(self._rests_on(dialog, place)), likeliest(named), dialog.utterances[place]
        uncertain = named[label] < self._least(utterance)
        return Recognition(utterance, context, label, uncertain, named, features_ms, fusion_ms)

    def _least(self, utterance: DialogUtterance) -> float:
        """Return the least probability of an emotion of an utterance that is relied upon."""
        own = self._runtime.thresholds.for_modalities(present(utterance))
        return own if self._threshold is None else self._threshold


def _context(utterances: Iterable[DialogUtterance]) -> Context:
    return tuple((said.key, said.reading) for said in utterances)
