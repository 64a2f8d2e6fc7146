from hypothesis import given
from hypothesis import strategies as st
from running_server import LATENCY

from serving.telemetry.event_tally import BOUNDS_S, STAGES, EventTally, percentiles
from wire import events
from wire.events import Emotion, Event, Totals


def emotion(
    revision: int = 0, total_ms: float = 700.0, *, final: bool = True, uncertain: bool = False, speaking: bool = False
) -> Emotion:
    return Emotion(
        utterance=1,
        revision=revision,
        final=final,
        speaking=speaking,
        speaker="Ana",
        start_ms=0,
        end_ms=900,
        text="so it is",
        label="joy",
        uncertain=uncertain,
        probabilities={"joy": 1.0},
        modalities=["text"],
        latency=LATENCY.model_copy(update={"total_ms": total_ms, "endpoint_ms": 200.0}),
    )


def tally(*told: Event) -> EventTally:
    counted = EventTally()
    for event in told:
        counted.observe(event)
    return counted


def test_nothing_told_is_nothing_counted() -> None:
    figures = tally().figures
    assert figures.told == figures.emotions == figures.errors == figures.recent == {}
    assert {sum(figures.latency[stage].counts) for stage in STAGES} == {0}


def test_only_the_first_emotion_of_an_utterance_tells_the_latency() -> None:
    figures = tally(emotion(final=False), emotion(1, 5_000.0), emotion(2, 0.0)).figures
    assert figures.emotions == {("joy", "early"): 1, ("joy", "final"): 2}
    total = figures.latency["total"]
    assert (sum(total.counts), total.sum_s) == (1, 0.7)
    assert total.counts[BOUNDS_S.index(0.75)] == 1
    assert (figures.recent["total"].p50_ms, figures.recent["endpoint"].p95_ms) == (700.0, 200.0)


def test_what_is_told_while_one_speaks_is_counted_apart_and_tells_no_latency() -> None:
    spoken = [emotion(0, 0.0, final=False, speaking=True), emotion(1, 0.0, final=False, speaking=True)]
    figures = tally(*spoken, emotion(2, final=False), emotion(3, 5_000.0), emotion(4, 0.0)).figures
    assert figures.emotions == {("joy", "speaking"): 2, ("joy", "early"): 1, ("joy", "final"): 2}
    assert (sum(figures.latency["total"].counts), figures.latency["total"].sum_s) == (1, 0.7)


def test_what_is_taken_back_tells_the_latency_once() -> None:
    spoken = emotion(1, 0.0, final=False, speaking=True)
    told = [emotion(0, final=False), events.UtteranceResumed(utterance=1), spoken, emotion(2, 9_000.0)]
    assert tally(*told).figures.latency["total"].sum_s == 0.7


def test_nothing_is_remembered_of_what_has_ended() -> None:
    spoken = emotion(0, final=False, speaking=True)
    ends: list[Event] = [
        emotion(1),
        events.UtteranceDiscarded(utterance=1, reason="no words"),
        events.SessionClosed(reason="client", totals=Totals()),
    ]
    assert [tally(spoken, end)._provisional for end in ends] == [{}, {}, {}]


def test_what_is_not_sure_is_counted_beside_its_label() -> None:
    figures = tally(emotion(final=False, uncertain=True), emotion(1, uncertain=True), emotion(2)).figures
    assert (figures.uncertain, figures.emotions) == (
        {"early": 1, "final": 1},
        {("joy", "early"): 1, ("joy", "final"): 2},
    )


def test_a_duration_on_a_bound_is_within_it() -> None:
    assert tally(emotion(total_ms=500.0)).figures.latency["total"].counts[BOUNDS_S.index(0.5)] == 1


def test_a_longer_one_than_the_last_bound_is_counted_too() -> None:
    assert tally(emotion(total_ms=60_000.0)).figures.latency["total"].counts[-1] == 1


def test_what_goes_wrong_is_counted_by_its_code() -> None:
    figures = tally(
        events.Error(code="json.invalid", message="", fatal=False),
        events.Error(code="json.invalid", message="", fatal=True),
        events.Warning(code="faces.failed", message=""),
        events.SessionClosed(reason="client", totals=Totals()),
        events.UtteranceDiscarded(utterance=1, reason="no words"),
    ).figures
    assert figures.errors == {"json.invalid": 2}
    assert figures.warnings == {"faces.failed": 1}
    assert figures.closed == {"client": 1}
    assert figures.discarded == {"no words": 1}


def test_a_reason_nobody_knows_makes_no_new_series() -> None:
    assert tally(events.UtteranceDiscarded(utterance=1, reason="said Ana")).figures.discarded == {"other": 1}


@given(st.lists(st.floats(0, 1e5), min_size=1))
def test_percentiles_are_values_that_occurred_in_their_order(values: list[float]) -> None:
    found = percentiles(values)
    assert found.p50_ms <= found.p95_ms
    assert {found.p50_ms, found.p95_ms} <= {round(value, 1) for value in values}
    assert sum(value <= found.p95_ms + 0.05 for value in values) >= 0.95 * len(values)
