from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.sessions.client_protocol import Action, Finish, Reject
from serving.sessions.limits import CALM_S, TELL_S, InputLimits, RateLimit, TokenBucket, Verdict
from stream.settings import ServerSettings
from wire.errors import ErrorCode
from wire.media import HEADER, MediaKind, MediaMessage, encode_media

LIMITS = ServerSettings()
PIECE = encode_media(MediaMessage(MediaKind.PCM_S16, 0, bytes(3200)))  # 100 ms
FRAME = encode_media(MediaMessage(MediaKind.JPEG, 0, b"\xff\xd8\xff"))

waits = st.floats(0, 20, allow_nan=False)
amounts = st.floats(0, 5_000, allow_nan=False)


class TestTokenBucket:
    @given(st.lists(st.tuples(waits, amounts), max_size=60), st.floats(0.1, 2_000), st.floats(0, 40_000))
    def test_no_stretch_of_time_lets_through_more_than_is_allowed(
        self, messages: list[tuple[float, float]], rate: float, capacity: float
    ) -> None:
        bucket, now_s, passed = TokenBucket(rate, capacity), 0.0, []
        for wait_s, amount in messages:
            now_s += wait_s
            if bucket.take(amount, now_s):
                passed.append((now_s, amount))
        for first, (start_s, _) in enumerate(passed):
            total = 0.0
            for end_s, amount in passed[first:]:
                total += amount
                assert total <= capacity + rate * (end_s - start_s) + 1e-6 * (1 + capacity + rate)

    @given(st.lists(st.floats(0.001, 2, allow_nan=False), max_size=200), st.floats(1.2, 5))
    def test_who_sends_at_the_pace_of_life_is_never_stopped(self, pieces_s: list[float], rate: float) -> None:
        bucket, now_s = TokenBucket(1000 * rate, 30_000), 0.0
        for piece_s in pieces_s:
            now_s += piece_s  # it is sent once it was recorded
            assert bucket.take(1000 * piece_s, now_s)

    @given(st.lists(st.tuples(st.integers(0, 300), st.floats(0, 29)), max_size=8))
    def test_a_network_that_stalls_and_delivers_all_at_once_is_no_reason(self, stalls: list[tuple[int, float]]) -> None:
        """Enough calm between two stalls fills the bucket: 1.2 times as fast makes up for 29 s in 145 s."""
        bucket, now_s = TokenBucket(1_200, 30_000), 0.0
        for calm, stall_s in stalls:
            for _ in range(10 * (150 + calm)):
                now_s += 0.1
                assert bucket.take(100, now_s)
            now_s += stall_s
            assert all(bucket.take(100, now_s) for _ in range(int(10 * stall_s)))

    @given(st.lists(st.tuples(st.floats(-100, 100), amounts), max_size=50))
    def test_a_clock_that_goes_back_gives_nothing_away(self, messages: list[tuple[float, float]]) -> None:
        bucket, start_s, end_s, total = TokenBucket(1_000, 10_000), None, 0.0, 0.0
        for now_s, amount in messages:
            start_s = now_s if start_s is None else start_s
            end_s = max(end_s, now_s - start_s)
            total += amount if bucket.take(amount, now_s) else 0
            assert total <= 10_000 + 1_000 * end_s + 1e-3


class TestRateLimit:
    def test_what_is_too_much_is_dropped_told_once_a_second_and_at_last_enough(self) -> None:
        limit = RateLimit(TokenBucket(1, 1), patience_s=10)
        verdicts = [(index / 10, limit.check(1, index / 10)) for index in range(120)]
        told = [at_s for at_s, verdict in verdicts if verdict is Verdict.DROP_AND_TELL]
        closed = [at_s for at_s, verdict in verdicts if verdict is Verdict.CLOSE]
        assert verdicts[0][1] is Verdict.PASS
        assert all(later - earlier >= TELL_S for earlier, later in pairwise(told))
        assert 9 <= len(told) <= 10
        assert 10 <= closed[0] < 10.5
        assert limit.dropped == sum(verdict is not Verdict.PASS for _, verdict in verdicts)

    def test_now_and_then_a_message_too_many_is_never_enough(self) -> None:
        limit, now_s = RateLimit(TokenBucket(1, 2), patience_s=10), 0.0
        for _ in range(100):
            now_s += CALM_S + 1
            assert [limit.check(1, now_s) for _ in range(3)] == [Verdict.PASS, Verdict.PASS, Verdict.DROP_AND_TELL]


class TestInputLimits:
    def test_media_at_the_pace_of_life_passes(self) -> None:
        limits = InputLimits(LIMITS)
        for tenth in range(3_000):
            assert limits.check(PIECE, tenth / 10) is None
            assert limits.check(FRAME, tenth / 10) is None

    def test_sound_100_times_as_fast_is_dropped_and_then_closed(self) -> None:
        limits, passed_ms, now_s = InputLimits(LIMITS), 0, 0.0
        told: list[Action] = []
        while not any(isinstance(action, Finish) for action in told):
            now_s += 0.001
            answer = limits.check(PIECE, now_s)
            passed_ms += 100 if answer is None else 0
            told += answer or []
        assert passed_ms <= 1000 * (LIMITS.rate_burst_s + LIMITS.max_rate * now_s)
        errors = [action.error for action in told if isinstance(action, Reject)]
        assert {error.code for error in errors} == {ErrorCode.RATE_EXCEEDED}
        assert [error.fatal for error in errors] == [False] * (len(errors) - 1) + [True]
        assert "1.2 times as fast" in errors[0].message
        assert told[-1] == Finish("rate")
        assert limits.check(FRAME, now_s + 100) == []  # it is over

    @pytest.mark.parametrize(
        ("message", "code", "at_once"),
        [
            (FRAME, ErrorCode.FRAMES_TOO_MANY, 300),
            ("{", ErrorCode.MESSAGES_TOO_MANY, 200),
            (b"", ErrorCode.MESSAGES_TOO_MANY, 200),
            (b"\x09", ErrorCode.MESSAGES_TOO_MANY, 200),
            (b"\x01", ErrorCode.RATE_EXCEEDED, 6_000),  # nothing is counted as 5 ms
            (PIECE, ErrorCode.RATE_EXCEEDED, 300),
        ],
    )
    def test_each_kind_has_its_limit_and_its_code(self, message: str | bytes, code: ErrorCode, at_once: int) -> None:
        limits = InputLimits(LIMITS)
        assert [limits.check(message, 0) for _ in range(at_once)] == [None] * at_once
        (rejected,) = limits.check(message, 0) or []
        assert isinstance(rejected, Reject)
        assert (rejected.error.code, rejected.error.fatal) == (code, False)
        others = [other for other in (PIECE, FRAME, "{") if limits._weigh(other)[0].code is not code]
        assert [limits.check(other, 0) for other in others] == [None] * len(others)

    def test_a_message_of_more_sound_than_may_come_at_once_never_passes(self) -> None:
        limits = InputLimits(LIMITS)
        assert limits.check(bytes([MediaKind.PCM_F32]) + bytes(HEADER.size - 1 + 4 * 16_000 * 31), 0)

    @given(st.lists(st.tuples(waits, st.one_of(st.text(max_size=5), st.binary(max_size=40))), max_size=400))
    def test_any_messages_are_passed_dropped_or_the_end(self, messages: list[tuple[float, str | bytes]]) -> None:
        limits, now_s, over = InputLimits(LIMITS), 0.0, False
        for wait_s, message in messages:
            now_s += wait_s / 100
            answer = limits.check(message, now_s)
            assert answer == [] if over else answer is None or len(answer) <= 2
            over = over or any(isinstance(action, Finish) for action in answer or [])
