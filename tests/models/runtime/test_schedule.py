"""The order in which requests are computed, under arbitrary traffic."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from models.runtime.schedule import COMPANY_MS, FRAME_PATIENCE_MS, Priority, Schedule

SESSIONS = ("ann", "ben", "cho")
WINDOW_MS = 5.0
MAX_ROWS = 4


@dataclass(frozen=True, eq=False)
class Ask:
    session: str = "ann"
    priority: Priority = "utterance"
    group: str = "text"
    rows: int = 1
    deadline_ms: float | None = None


def frame(session: str, deadline_ms: float | None = None, rows: int = 1) -> Ask:
    return Ask(session, "frame", "face", rows, deadline_ms)


def lined_up(*asked: Ask, max_rows: int = 1, window_ms: float = 0) -> Schedule[Ask]:
    schedule: Schedule[Ask] = Schedule(max_rows, window_ms)
    for each in asked:
        schedule.add(each, 0)
    return schedule


def drained(schedule: Schedule[Ask], now_ms: float = 0) -> list[Ask]:
    order: list[Ask] = []
    while batch := schedule.take_batch(now_ms):
        order += batch
    return order


def test_what_ends_an_utterance_goes_before_images_and_the_oldest_first() -> None:
    asked = [frame("ann"), Ask("ann"), frame("ann"), Ask("ann", group="audio")]
    assert drained(lined_up(*asked)) == [asked[1], asked[3], asked[0], asked[2]]


def test_a_image_that_has_waited_for_long_is_as_urgent_as_an_utterance() -> None:
    schedule = lined_up(frame("ann"))
    schedule.add(Ask("ann"), FRAME_PATIENCE_MS)
    assert [each.priority for each in drained(schedule, FRAME_PATIENCE_MS)] == ["frame", "utterance"]


def test_what_is_provisional_goes_last_however_long_it_waits() -> None:
    schedule = lined_up(Ask("ann", "provisional"), frame("ann"))
    assert [each.priority for each in drained(schedule, 2 * FRAME_PATIENCE_MS)] == ["frame", "provisional"]


def test_what_is_provisional_is_not_computed_where_an_utterance_waits() -> None:
    asked = [Ask("ann", "provisional"), Ask("ben", "provisional"), Ask("ben"), frame("ann")]
    schedule = lined_up(*asked)
    assert schedule.take_late(0) == asked[:2]
    assert drained(schedule) == asked[2:]


def test_what_is_provisional_slows_nothing_down() -> None:
    asked = [Ask("ann"), Ask("ben", "provisional"), Ask("cho", "provisional")]
    schedule = lined_up(*asked, max_rows=4, window_ms=WINDOW_MS)
    assert schedule.take_batch(0) == asked[:1], "it is neither in the same batch nor waited for"
    assert schedule.take_batch(0) == asked[1:]


def test_sessions_take_turns_however_much_one_of_them_sends() -> None:
    order = drained(lined_up(*(Ask("ann") for _ in range(3)), Ask("ben"), Ask("cho"), Ask("ben")))
    assert [each.session for each in order] == ["ann", "ben", "cho", "ann", "ben", "ann"]


def test_a_session_that_comes_back_lines_up_behind_those_that_wait() -> None:
    schedule = lined_up(Ask("ann"), Ask("ben"), Ask("cho"))
    assert schedule.take_batch(0)[0].session == "ann"
    schedule.add(Ask("ann"), 1)
    assert [each.session for each in drained(schedule, 1)] == ["ben", "cho", "ann"]


def test_a_batch_is_shared_by_the_sessions_in_turn() -> None:
    schedule = lined_up(*(frame("ann") for _ in range(4)), frame("ben"), frame("cho"), max_rows=4)
    assert [each.session for each in schedule.take_batch(0)] == ["ann", "ben", "cho", "ann"]


def test_a_session_alone_does_not_wait() -> None:
    schedule = lined_up(frame("ann"), max_rows=4, window_ms=WINDOW_MS)
    assert len(schedule.take_batch(0)) == 1


def test_a_batch_waits_for_likely_company_until_the_window_ends() -> None:
    schedule = lined_up(frame("ann"), frame("ben"), max_rows=4, window_ms=WINDOW_MS)
    assert len(schedule.take_batch(0)) == 2, "all who send images are there"
    schedule.add(frame("ben"), 100)
    assert schedule.take_batch(100) == []
    assert schedule.wait_ms(101) == WINDOW_MS - 1
    assert len(schedule.take_batch(100 + WINDOW_MS)) == 1


def test_company_that_comes_ends_the_waiting() -> None:
    schedule = lined_up(frame("ann"), frame("ben"), max_rows=4, window_ms=WINDOW_MS)
    schedule.take_batch(0)
    schedule.add(frame("ben"), 100)
    schedule.add(frame("ann"), 101)
    assert len(schedule.take_batch(101)) == 2


def test_a_session_that_has_fallen_silent_or_sends_other_things_is_not_waited_for() -> None:
    schedule = lined_up(frame("ann"), frame("ben"), Ask("cho"), max_rows=4, window_ms=WINDOW_MS)
    drained(schedule)
    schedule.add(frame("ann"), 900)
    schedule.add(frame("ben"), 900)
    assert len(schedule.take_batch(900)) == 2
    later = 900 + COMPANY_MS
    schedule.add(frame("ann"), later + 1)
    assert len(schedule.take_batch(later + 1)) == 1


def test_a_full_batch_and_a_near_deadline_wait_for_nobody() -> None:
    schedule = lined_up(frame("ben"), frame("ann"), max_rows=2, window_ms=WINDOW_MS)
    schedule.take_batch(0)
    schedule.add(frame("ann", rows=2), 1)
    assert len(schedule.take_batch(1)) == 1
    schedule.add(frame("ann", deadline_ms=4), 2)
    assert len(schedule.take_batch(2)) == 1


def test_a_request_is_late_only_after_its_deadline() -> None:
    in_time, late = frame("ann", deadline_ms=10), frame("ben", deadline_ms=9)
    schedule = lined_up(in_time, late, max_rows=4)
    assert schedule.take_late(9) == []
    assert schedule.take_late(10) == [late]
    assert schedule.take_batch(10) == [in_time]


def test_nothing_waiting_is_waited_for_without_end() -> None:
    schedule = lined_up()
    assert (schedule.take_batch(0), schedule.take_late(0), schedule.wait_ms(0)) == ([], [], None)


ASKED = st.builds(
    Ask,
    session=st.sampled_from(SESSIONS),
    priority=st.sampled_from(["utterance", "frame"]),
    group=st.sampled_from(["text", "audio", "face"]),
    rows=st.integers(1, 6),
)
PROVISIONAL = st.builds(
    Ask, session=st.sampled_from(SESSIONS), priority=st.just("provisional"), group=st.sampled_from(["text", "audio"])
)


@dataclass(frozen=True)
class Step:
    """What comes, how long the device then computes, and how long what came may wait."""

    asked: list[Ask]
    busy_ms: float
    patience_ms: float | None


STEPS = st.lists(
    st.builds(
        Step,
        st.lists(ASKED, max_size=4),
        st.floats(0, 60),
        st.one_of(st.none(), st.floats(-5, 200)),
    ),
    max_size=25,
)


WITH_PROVISIONAL = st.lists(
    st.builds(Step, st.lists(st.one_of(ASKED, PROVISIONAL), max_size=4), st.floats(0, 60), st.none()), max_size=25
)


@dataclass
class Run:
    """What became of each request: when it came, and when it was computed or dropped."""

    came: dict[Ask, float] = field(default_factory=dict)
    computed: dict[Ask, int] = field(default_factory=dict)
    late: dict[Ask, float] = field(default_factory=dict)
    batches: list[tuple[float, list[Ask], list[Ask]]] = field(default_factory=list)  # time, batch, what waited
    idle: list[tuple[float, list[Ask]]] = field(default_factory=list)  # time, what waited

    def waiting(self) -> list[Ask]:
        return [each for each in self.came if each not in self.computed and each not in self.late]


def simulate(steps: Sequence[Step]) -> Run:
    """Feed a schedule as the worker does, and let it run empty at the end."""
    run, schedule, now = Run(), Schedule[Ask](MAX_ROWS, WINDOW_MS), 0.0
    for step in [*steps, *[Step([], 1.0, None)] * 200]:
        for asked in step.asked:
            deadline = None if step.patience_ms is None else now + step.patience_ms
            each = Ask(asked.session, asked.priority, asked.group, asked.rows, deadline)
            run.came[each] = now
            schedule.add(each, now)
        for each in schedule.take_late(now):
            assert each not in run.late
            run.late[each] = now
        before = run.waiting()
        if batch := schedule.take_batch(now):
            for each in batch:
                assert each not in run.computed
                run.computed[each] = len(run.batches)
            run.batches.append((now, batch, before))
            now += step.busy_ms
        else:
            run.idle.append((now, before))
            waits = schedule.wait_ms(now)
            assert (waits is None) == (not before)
            now += 1.0 if waits is None else waits
    assert len(schedule) == 0
    return run


@given(STEPS)
def test_nothing_is_lost_or_computed_twice_and_only_what_is_late_is_dropped(steps: list[Step]) -> None:
    run = simulate(steps)
    assert run.computed.keys() | run.late.keys() == run.came.keys()
    assert not run.computed.keys() & run.late.keys()
    for each, at in run.late.items():
        assert each.deadline_ms is not None
        assert at > each.deadline_ms
    for now, batch, _ in run.batches:
        assert all(each.deadline_ms is None or now <= each.deadline_ms for each in batch)


@given(WITH_PROVISIONAL)
def test_what_is_provisional_is_computed_alone_or_dropped_for_an_utterance(steps: list[Step]) -> None:
    run = simulate(steps)
    assert run.computed.keys() | run.late.keys() == run.came.keys()
    assert {each.priority for each in run.late} <= {"provisional"}
    for at in run.late.values():
        looks = [(now, waiting) for now, _, waiting in run.batches] + run.idle
        assert any(each.priority == "utterance" for now, waiting in looks if now == at for each in waiting)
    for _, batch, waiting in run.batches:
        assert len({each.priority == "provisional" for each in batch}) == 1
        assert batch[0].priority != "provisional" or {each.priority for each in waiting} == {"provisional"}


@given(STEPS)
def test_a_batch_is_of_one_group_of_all_that_fits_and_no_larger(steps: list[Step]) -> None:
    for _, batch, waiting in simulate(steps).batches:
        rows = sum(each.rows for each in batch)
        assert {each.group for each in batch} == {batch[0].group}
        assert rows <= MAX_ROWS or len(batch) == 1
        left = [each for each in waiting if each not in batch and each.group == batch[0].group]
        assert all(rows + each.rows > MAX_ROWS for each in left)


@given(STEPS)
def test_the_first_of_a_batch_is_the_oldest_most_urgent_of_its_session(steps: list[Step]) -> None:
    run = simulate(steps)
    for now, batch, waiting in run.batches:
        urgent = [each for each in waiting if is_urgent(run, each, now)]
        candidates = [each for each in urgent or waiting if each.session == batch[0].session]
        assert batch[0] is min(candidates, key=lambda each: run.came[each])


def is_urgent(run: Run, each: Ask, now_ms: float) -> bool:
    return each.priority == "utterance" or now_ms - run.came[each] >= FRAME_PATIENCE_MS


@given(STEPS)
def test_every_session_is_served_within_as_many_batches_as_there_are_sessions(steps: list[Step]) -> None:
    run = simulate(steps)
    for index in range(len(run.batches) - len(SESSIONS) + 1):
        stretch = run.batches[index : index + len(SESSIONS)]
        now, _, waiting = stretch[0]
        for each in waiting:
            if is_urgent(run, each, now) and each.deadline_ms is None:
                served = {request.session for _, batch, _ in stretch for request in batch}
                assert each.session in served


@given(STEPS)
def test_every_request_is_computed_after_a_bounded_number_of_batches(steps: list[Step]) -> None:
    """Once urgent, it waits for those before it in its own session, each of them for one turn of the others."""
    run = simulate(steps)
    for each, place in run.computed.items():
        urgent_from = next(
            (
                index
                for index, (now, _, waiting) in enumerate(run.batches)
                if each in waiting and is_urgent(run, each, now)
            ),
            place,
        )
        waiting = run.batches[urgent_from][2]
        ahead = [other for other in waiting if other.session == each.session and run.came[other] <= run.came[each]]
        assert place - urgent_from < max(1, len(ahead)) * len(SESSIONS)


@given(STEPS)
def test_the_device_is_idle_for_no_longer_than_the_window_while_something_waits(steps: list[Step]) -> None:
    run = simulate(steps)
    for now, waiting in run.idle:
        assert all(now < run.came[each] + WINDOW_MS for each in waiting)
