import asyncio
import contextlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from waiting import wait_until_async

from serving.telemetry.loop_lag import PERIOD_S, LagCounts, LoopWatch


async def test_a_loop_that_is_blocked_is_seen() -> None:
    now_s = 0.0
    watch = LoopWatch(clock=lambda: now_s)
    task = asyncio.create_task(watch.run())
    await asyncio.sleep(0)  # it has looked at its clock, and sleeps
    now_s = PERIOD_S + 0.2  # where it should have been woken, and something has blocked the loop since
    await wait_until_async(lambda: watch.lag.total > 0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert watch.figures()["lag_max_ms"] == 200


def test_nothing_watched_is_no_lag() -> None:
    assert LoopWatch().figures() == {"lag_max_ms": 0, "lag_p99_ms": 0}


@given(st.lists(st.floats(-1, 3_000), min_size=1), st.floats(1, 100))
def test_the_percentile_is_exact_to_a_bin(lags: list[float], percent: float) -> None:
    counts = LagCounts()
    for lag in lags:
        counts.note(lag)
    exact = np.percentile(np.maximum(lags, 0), percent, method="inverted_cdf")
    found = counts.percentile_ms(percent)
    assert counts.max_ms == max(0, *lags)
    assert exact <= found <= counts.max_ms
    assert found <= exact + 0.5 or exact >= 999.5


def test_one_long_block_among_many_short_ones_is_the_maximum_and_not_the_percentile() -> None:
    counts = LagCounts()
    for lag in [1.2] * 999 + [300]:
        counts.note(lag)
    assert (counts.max_ms, counts.percentile_ms(99)) == (300, 1.5)


@given(st.lists(st.floats(-1, 3_000)), st.sampled_from([0.5, 1.0, 2.5, 100.0, 500.0]))
def test_the_delays_below_a_limit_are_counted_to_a_bin(lags: list[float], limit_ms: float) -> None:
    counts = LagCounts()
    for lag in lags:
        counts.note(lag)
    assert counts.below(limit_ms) == sum(lag < limit_ms for lag in lags)
    assert counts.total == len(lags)
    assert counts.sum_ms == sum(max(0.0, lag) for lag in lags)
