from itertools import groupby, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.media import SAMPLES_PER_MS
from stream.speech.endpointing import Decision, Endpointer
from stream.speech.vad import WINDOW
from wire.settings import SegmenterSettings

WINDOW_MS = WINDOW / SAMPLES_PER_MS
DEFAULT = SegmenterSettings()


def windows(milliseconds: float) -> int:
    """Return how many windows it takes to cover a time."""
    return -(-int(milliseconds) // int(WINDOW_MS))


def run(endpointer: Endpointer, pattern: list[tuple[float, int]]) -> list[Decision]:
    """Push runs of (probability, number of windows)."""
    return [d for probability, count in pattern for _ in range(count) for d in endpointer.push(probability)]


def kinds(decisions: list[Decision]) -> list[str]:
    return [decision.kind for decision in decisions]


def test_an_utterance_has_its_pre_roll_and_its_tail() -> None:
    decisions = run(Endpointer(DEFAULT), [(0.0, 31), (1.0, 31), (0.0, 31)])
    assert kinds(decisions) == ["start", "likely_end", "end"]
    end = decisions[-1]
    assert end.start == 31 * WINDOW - DEFAULT.pre_roll_ms * SAMPLES_PER_MS
    assert end.end == 62 * WINDOW + DEFAULT.post_roll_ms * SAMPLES_PER_MS
    assert end.reason == "silence"


def test_the_likely_end_is_exactly_the_confirmed_one() -> None:
    likely, end = run(Endpointer(DEFAULT), [(1.0, 31), (0.0, 31)])[1:]
    assert (likely.start, likely.end) == (end.start, end.end)


def test_the_end_is_told_when_its_silence_has_lasted() -> None:
    endpointer = Endpointer(DEFAULT)
    run(endpointer, [(1.0, 31)])
    assert run(endpointer, [(0.0, windows(DEFAULT.likely_end_ms) - 1)]) == []
    assert kinds(endpointer.push(0.0)) == ["likely_end"]
    states = [endpointer.state]
    between = windows(DEFAULT.confirmed_end_ms) - windows(DEFAULT.likely_end_ms) - 1
    assert run(endpointer, [(0.0, between)]) == []
    assert kinds(endpointer.push(0.0)) == ["end"]
    assert [*states, endpointer.state] == ["likely_ended", "silence"]


def test_speech_resumes_an_utterance_that_had_likely_ended() -> None:
    decisions = run(Endpointer(DEFAULT), [(1.0, 31), (0.0, 10), (1.0, 31), (0.0, 31)])
    assert kinds(decisions) == ["start", "likely_end", "resumed", "likely_end", "end"]
    assert {decision.utterance for decision in decisions} == {0}


def test_between_release_and_threshold_nothing_changes() -> None:
    endpointer = Endpointer(DEFAULT)
    assert run(endpointer, [(0.4, 50)]) == []  # silence stays silence
    assert kinds(run(endpointer, [(1.0, 10), (0.4, 50)])) == ["start"]  # speech stays speech
    assert kinds(run(endpointer, [(0.0, 8), (0.4, 50)])) == ["likely_end", "end"]  # so does the silence after it


def test_a_blip_is_not_even_a_start() -> None:
    assert run(Endpointer(DEFAULT), [(0.0, 10), (1.0, 2), (0.0, 40)]) == []


def test_too_little_speech_is_discarded_and_never_likely_ended() -> None:
    decisions = run(Endpointer(DEFAULT), [(0.0, 10), (1.0, 4), (0.0, 40)])
    assert kinds(decisions) == ["start", "discarded"]


def test_pre_roll_does_not_reach_into_the_utterance_before() -> None:
    settings = SegmenterSettings(pre_roll_ms=2_000)
    decisions = run(Endpointer(settings), [(1.0, 31), (0.0, 20), (1.0, 31), (0.0, 20)])
    first, second = (decision for decision in decisions if decision.kind == "end")
    assert second.start == first.end


def test_the_longest_utterance_is_cut_at_its_best_pause() -> None:
    settings = SegmenterSettings(max_utterance_ms=3_200)
    endpointer = Endpointer(settings)
    decisions = run(endpointer, [(0.99, 70), (0.6, 3), (0.99, 27)])
    assert kinds(decisions) == ["start", "end", "start"]
    end, start = decisions[1:]
    assert end.reason == "longest"
    assert 70 * WINDOW <= end.end <= 73 * WINDOW
    assert (start.start, start.utterance) == (end.end, 1)


def test_the_longest_utterance_ends_in_its_silence_if_it_is_in_one() -> None:
    settings = SegmenterSettings(max_utterance_ms=3_200)
    decisions = run(Endpointer(settings), [(1.0, 97), (0.0, 3)])
    assert kinds(decisions) == ["start", "end"]
    assert decisions[-1].end == 100 * WINDOW


def test_what_a_cut_leaves_over_is_kept_however_short() -> None:
    settings = SegmenterSettings(max_utterance_ms=3_200, min_utterance_ms=1_600)
    decisions = run(Endpointer(settings), [(1.0, 100), (0.0, 40)])
    assert [d.reason for d in decisions if d.kind == "end"] == ["longest", "silence"]


def test_a_cut_gives_both_sides_all_their_samples() -> None:
    endpointer = Endpointer(DEFAULT)
    run(endpointer, [(1.0, 60)])
    end, start = endpointer.cut(30 * WINDOW + 7, "sentence")
    assert (end.kind, end.end, end.reason) == ("end", 30 * WINDOW + 7, "sentence")
    assert (start.kind, start.start, start.utterance) == ("start", end.end, 1)


@pytest.mark.parametrize("position", [-5, 0, WINDOW, 58 * WINDOW, 60 * WINDOW, 10**9])
def test_a_cut_without_enough_speech_on_both_sides_is_refused(position: int) -> None:
    endpointer = Endpointer(DEFAULT)
    run(endpointer, [(1.0, 60)])
    before = endpointer.extent
    assert endpointer.cut(position, "sentence") == []
    assert endpointer.extent == before


def test_nothing_can_be_cut_in_silence() -> None:
    endpointer = Endpointer(DEFAULT)
    run(endpointer, [(0.0, 60)])
    assert endpointer.cut(30 * WINDOW, "sentence") == []


def test_a_cut_after_the_likely_end_tells_the_new_likely_end() -> None:
    endpointer = Endpointer(DEFAULT)
    run(endpointer, [(1.0, 60), (0.0, 8)])
    decisions = endpointer.cut(30 * WINDOW, "sentence")
    assert kinds(decisions) == ["end", "start", "likely_end"]
    end = run(endpointer, [(0.0, 20)])[0]
    assert (end.utterance, end.start, end.end) == (1, decisions[2].start, decisions[2].end)


def test_the_end_of_media_ends_the_utterance() -> None:
    endpointer = Endpointer(DEFAULT)
    run(endpointer, [(1.0, 31)])
    endpointer.push(1.0, 100)
    (end,) = endpointer.finish()
    assert (end.kind, end.reason, end.end) == ("end", "end", 31 * WINDOW + 100)
    assert endpointer.finish() == []


@st.composite
def valid_settings(draw: st.DrawFn) -> SegmenterSettings:
    release = draw(st.floats(0.05, 0.5))
    likely = draw(st.integers(0, 600))
    longest = draw(st.integers(2_000, 5_000))
    return SegmenterSettings(
        threshold=draw(st.floats(release, 0.95)),
        release=release,
        min_speech_ms=draw(st.integers(0, 300)),
        pre_roll_ms=draw(st.integers(0, 1_000)),
        likely_end_ms=likely,
        confirmed_end_ms=draw(st.integers(likely, 1_000)),
        post_roll_ms=draw(st.integers(0, 800)),
        min_utterance_ms=draw(st.integers(0, 3_000)),
        max_utterance_ms=longest,
    )


levels = st.sampled_from([0.0, 0.2, 0.45, 0.7, 1.0]) | st.floats(0, 1)
sequences = st.lists(st.tuples(levels, st.integers(1, 40)), max_size=20)


def driven(
    settings: SegmenterSettings, pattern: list[tuple[float, int]], cuts: dict[int, int]
) -> tuple[list[float], list[Decision]]:
    endpointer = Endpointer(settings)
    probabilities = [probability for probability, count in pattern for _ in range(count)]
    decisions: list[Decision] = []
    for index, probability in enumerate(probabilities):
        decisions += endpointer.push(probability)
        if index in cuts:
            decisions += endpointer.cut(cuts[index], "sentence")
    return probabilities, decisions + endpointer.finish()


cut_plans = st.dictionaries(st.integers(0, 400), st.integers(-1_000, 400 * WINDOW), max_size=20)


@settings(deadline=None)  # timing is nothing a test should judge
@given(valid_settings(), sequences, cut_plans)
def test_utterances_are_in_order_and_never_overlap(
    settings: SegmenterSettings, pattern: list[tuple[float, int]], cuts: dict[int, int]
) -> None:
    probabilities, decisions = driven(settings, pattern, cuts)
    closed = [d for d in decisions if d.kind in {"end", "discarded"}]
    started = [d for d in decisions if d.kind == "start"]
    assert [d.utterance for d in closed] == [d.utterance for d in started] == list(range(len(closed)))
    assert [d.start for d in closed] == [d.start for d in started]
    assert all(d.start < d.end <= len(probabilities) * WINDOW for d in closed)
    assert all(a.end <= b.start for a, b in pairwise(closed))
    assert all(d.end - d.start <= settings.max_utterance_ms * SAMPLES_PER_MS + WINDOW for d in closed)


@settings(deadline=None)  # timing is nothing a test should judge
@given(valid_settings(), sequences, cut_plans)
def test_no_speech_is_lost(settings: SegmenterSettings, pattern: list[tuple[float, int]], cuts: dict[int, int]) -> None:
    probabilities, decisions = driven(settings, pattern, cuts)
    owned = [(d.start, d.end) for d in decisions if d.kind in {"end", "discarded"}]
    index = 0
    for speech, group in groupby(probabilities, key=lambda p: p >= settings.threshold):
        length = len(list(group))
        start, end = index * WINDOW, (index + length) * WINDOW
        index += length
        if speech and end - start >= settings.min_speech_ms * SAMPLES_PER_MS:
            assert sum(max(0, min(end, e) - max(start, s)) for s, e in owned) == end - start


@settings(deadline=None)  # timing is nothing a test should judge
@given(valid_settings(), sequences, cut_plans)
def test_each_utterance_is_told_in_a_sensible_order(
    settings: SegmenterSettings, pattern: list[tuple[float, int]], cuts: dict[int, int]
) -> None:
    _, decisions = driven(settings, pattern, cuts)
    following = {
        "start": {"likely_end", "end", "discarded"},
        "likely_end": {"resumed", "end"},
        "resumed": {"likely_end", "end"},
    }
    for utterance in {d.utterance for d in decisions}:
        own = [d for d in decisions if d.utterance == utterance]
        assert own[0].kind == "start"
        assert all(b.kind in following[a.kind] for a, b in pairwise(own))
        for likely, end in pairwise(own):
            if likely.kind == "likely_end" and end.kind == "end" and end.reason in {"silence", "end"}:
                assert (likely.start, likely.end) == (end.start, end.end)
