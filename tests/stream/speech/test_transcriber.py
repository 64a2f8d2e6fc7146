import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path

import numpy as np
import pytest
from speech_clips import ONE_SENTENCE, TWO_SPEAKERS, TWO_SPEAKERS_WORDS, noise, plain, silence, text_of, word_error_rate
from waiting import PATIENCE_S, wait_until

from models.media.sound import read_sound
from models.runtime.watchdog import HungError
from stream.live_models import LiveModels
from stream.media import SAMPLES_PER_MS, Samples
from stream.settings import RuntimeSettings, Settings, TranscriberSettings
from stream.speech.asr_model import AsrModelError
from stream.speech.job_queue import AsrJob
from stream.speech.transcriber import Transcriber


@pytest.fixture(scope="module")
def transcriber() -> Iterator[Transcriber]:
    loaded = Transcriber(TranscriberSettings(device="cpu", threads=1))
    yield loaded
    loaded.close()


def test_speech_becomes_words_with_media_times(transcriber: Transcriber) -> None:
    samples = read_sound(ONE_SENTENCE)
    transcript = transcriber.submit(AsrJob(samples, 5_000.0)).result()
    assert transcript.rejected is None
    assert {"white", "please"} <= set(transcript.text.lower().strip(".").split())
    assert text_of(transcript.words) == transcript.text
    times = [time for word in transcript.words for time in (word.start_ms, word.end_ms)]
    assert times == sorted(times)
    assert times[0] >= 5_000
    assert times[-1] <= 5_000 + len(samples) / SAMPLES_PER_MS
    white = next(word for word in transcript.words if word.text == "white")
    assert 5_600 < white.start_ms < 6_200


@pytest.mark.parametrize(
    "samples",
    [
        silence(0),
        *(pytest.param(samples, marks=pytest.mark.slow) for samples in (silence(0.01), silence(3), noise(3, 0.001))),
        noise(3, 0.03),
    ],
    ids=lambda x: f"{len(x)}",
)
def test_sound_without_speech_has_no_words_and_says_why(transcriber: Transcriber, samples: Samples) -> None:
    transcript = transcriber.submit(AsrJob(samples, 0.0)).result()
    assert (transcript.text, transcript.words) == ("", ())
    assert transcript.rejected in {"no words", "no speech"}


def test_more_than_thirty_seconds_are_transcribed_to_the_end(transcriber: Transcriber) -> None:
    dialog, sentence = read_sound(TWO_SPEAKERS), read_sound(ONE_SENTENCE)
    samples = np.concatenate([dialog, silence(10), sentence, silence(9), dialog])
    transcript = transcriber.submit(AsrJob(samples, 1_000.0)).result()
    last = tuple(word for word in transcript.words if word.start_ms > 1_000 + 30_000)
    assert word_error_rate(TWO_SPEAKERS_WORDS, text_of(last)) < 0.3
    assert transcript.text.lower().count("chicago") == 4
    assert "white" in transcript.text


def test_a_failing_job_fails_its_own_future_only(transcriber: Transcriber) -> None:
    broken = transcriber.submit(AsrJob(np.zeros((2, 16_000), np.float32), 0.0))
    whole = transcriber.submit(AsrJob(read_sound(ONE_SENTENCE), 0.0))
    with pytest.raises(ValueError, match=r"sound is \(n,\) samples"):
        broken.result()
    assert whole.result().text


def test_jobs_that_wait_are_heard_together_and_a_failing_one_fails_alone() -> None:
    transcriber = Transcriber(TranscriberSettings(device="cpu", threads=1, max_batch=4))
    samples = read_sound(ONE_SENTENCE)
    taken = []
    hear = transcriber._whisper.hear
    transcriber._whisper.hear = lambda sounds, language: taken.append(len(sounds)) or hear(sounds, language)
    jobs = [transcriber.submit(AsrJob(samples, 1_000.0 * number)) for number in range(7)]
    broken = transcriber.submit(AsrJob(np.zeros((2, 16_000), np.float32), 0.0))
    texts = {plain(job.result().text) for job in jobs}
    with pytest.raises(ValueError, match=r"sound is \(n,\) samples"):
        broken.result()
    transcriber.close()
    assert len(texts) == 1
    assert max(taken) > 1
    figures = transcriber.figures
    assert (figures.done["final"], figures.done["failed"], figures.waiting) == (7, 1, 0)
    assert figures.first.batches < 8
    assert figures.first.seconds > 0
    assert figures.sound_s == pytest.approx(7 * len(samples) / 16_000)
    starts = [job.result().words[0].start_ms for job in jobs]
    assert starts == pytest.approx([starts[0] + 1_000 * number for number in range(7)], abs=60)


def test_a_device_that_fails_for_several_hears_them_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    transcriber = Transcriber(TranscriberSettings(device="cpu", threads=1, max_batch=4))

    def fail(*_: object) -> None:
        message = "out of memory"
        raise RuntimeError(message)

    monkeypatch.setattr(transcriber._whisper, "hear", fail)
    jobs = [transcriber.submit(AsrJob(read_sound(ONE_SENTENCE), 0.0)) for _ in range(3)]
    assert all("white" in job.result().text for job in jobs)
    transcriber.close()


def test_what_breaks_beside_the_model_fails_its_stretch_and_the_thread_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    transcriber = Transcriber(TranscriberSettings(device="cpu", threads=1))

    def leave(*_: object) -> None:
        raise SystemExit(3)

    with monkeypatch.context() as patch:
        patch.setattr(transcriber._whisper, "hear", leave)
        broken = transcriber.submit(AsrJob(silence(1), 0.0))
        with pytest.raises(RuntimeError, match="SystemExit"):
            broken.result(PATIENCE_S)
    assert transcriber.submit(AsrJob(silence(1), 0.0)).result(PATIENCE_S).rejected
    transcriber.close()


def test_partial_jobs_are_dropped_and_counted_when_too_many_wait() -> None:
    transcriber = Transcriber(TranscriberSettings(device="cpu", threads=1, queue=1))
    samples = silence(1)
    jobs = [transcriber.submit(AsrJob(samples, float(i), partial=True)) for i in range(8)]
    final = transcriber.submit(AsrJob(samples, 0.0))
    assert final.result().rejected
    transcriber.close()
    assert transcriber.figures.dropped_partials >= 1
    assert sum(job.cancelled() for job in jobs) == transcriber.figures.dropped_partials


def test_closing_cancels_what_waits_and_takes_no_more() -> None:
    transcriber = Transcriber(TranscriberSettings(device="cpu", threads=1))
    waiting = [transcriber.submit(AsrJob(silence(1), 0.0)) for _ in range(6)]
    transcriber.close()
    transcriber.close()
    assert all(job.done() for job in waiting)
    with pytest.raises(CancelledError):
        waiting[-1].result()
    with pytest.raises(RuntimeError, match="closed"):
        transcriber.submit(AsrJob(silence(1), 0.0))


def test_a_language_the_model_does_not_know_is_refused(transcriber: Transcriber) -> None:
    def submit(code: str) -> None:
        transcriber.submit(AsrJob(silence(1), 0.0, language=code))

    for refuses in (transcriber.check_language, submit):
        with pytest.raises(ValueError, match=r"'de', it knows only English \(en\).*multilingual"):
            refuses("de")
    transcriber.check_language("en")
    transcriber.check_language(None)


def test_a_language_of_the_settings_is_refused_at_the_start_and_leaves_no_thread(bundle_folder: Path) -> None:
    settings = Settings(
        runtime=RuntimeSettings(bundle=bundle_folder, engine="torch"),
        transcriber=TranscriberSettings(device="cpu", language="de"),
    )
    before = threading.active_count()
    with pytest.raises(AsrModelError, match="'de', it knows only English"):
        LiveModels.load(settings)
    assert threading.active_count() == before


def test_a_compute_type_that_is_none_is_refused() -> None:
    with pytest.raises(AsrModelError, match="does not run on cpu as int3"):
        Transcriber(TranscriberSettings(device="cpu", compute_type="int3"))


def test_the_name_says_what_runs_where(transcriber: Transcriber) -> None:
    assert transcriber.name == "whisper tiny.en on cpu"


def test_a_model_that_hangs_fails_what_it_hears_and_what_waits_until_it_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    transcriber = Transcriber(TranscriberSettings(device="cpu", threads=1, queue=1, timeout_s=0.02))
    entered, let = threading.Event(), threading.Event()
    hear = transcriber._whisper.hear

    def hang(*asked: object) -> object:
        entered.set()
        assert let.wait(PATIENCE_S)
        return hear(*asked)

    monkeypatch.setattr(transcriber._whisper, "hear", hang)
    stuck = transcriber.submit(AsrJob(silence(0.01), 0.0))
    assert entered.wait(PATIENCE_S)
    waiting = [transcriber.submit(AsrJob(silence(0.01), float(number))) for number in range(4)]
    for job in (stuck, *waiting):
        with pytest.raises(HungError, match="does not answer"):
            job.result(PATIENCE_S)
    assert transcriber.hangs
    assert transcriber.figures.done["timeout"] == 5
    monkeypatch.setattr(transcriber, "_timeout_s", PATIENCE_S)
    let.set()
    wait_until(lambda: not transcriber.hangs)
    assert transcriber.submit(AsrJob(silence(0.5), 0.0)).result(PATIENCE_S).rejected
    transcriber.close()


def test_a_transcriber_that_hangs_can_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    transcriber = Transcriber(TranscriberSettings(device="cpu", threads=1, timeout_s=0.02))
    entered, let = threading.Event(), threading.Event()
    monkeypatch.setattr(transcriber._whisper, "hear", lambda *_: entered.set() or let.wait(PATIENCE_S))
    stuck = transcriber.submit(AsrJob(silence(0.01), 0.0))
    assert entered.wait(PATIENCE_S)
    transcriber.close()
    with pytest.raises(HungError):
        stuck.result(PATIENCE_S)
    let.set()
