"""What Prometheus reads at ``/metrics``: the figures of a moment under the names that docs/metrics.md lists.

Everything is counted where it happens, without this library; its samples are made when they are asked for.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from models.runtime.figures import BatchFigures
from serving.telemetry.event_tally import BOUNDS_S, STAGES
from serving.telemetry.figures import Figures
from serving.telemetry.loop_lag import LagCounts

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
BATCH_BOUNDS: Final = (1, 2, 4, 8, 16, 32, 64, 128)
LAG_BOUNDS_MS: Final = (1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0)

Labels = tuple[str, ...]
Values = Iterable[tuple[Labels, float]]  # not a mapping, whose keys would have to be of exactly this type


class Metrics:
    """The metrics of one server, in a registry of its own: several servers of one process do not mix.

    Args:
        figures: tells how the server stands.
    """

    def __init__(self, figures: Callable[[], Figures]) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Figures(figures))
        ProcessCollector(registry=self._registry)

    def exposition(self) -> bytes:
        """Return what a scrape gets."""
        return generate_latest(self._registry)


@dataclass(frozen=True)
class _Figures(Collector):
    figures: Callable[[], Figures]

    def collect(self) -> Iterator[Metric]:
        """Return all metrics, as things stand now."""
        now = self.figures()
        for part in (_server, _sessions, _events, _drops, _engine, _speech):
            yield from part(now)
        yield _lag(now.lag)
        yield _counters("broken", "Threads and tasks that broke", ("part",), _labelled(now.broken.items()))

    def describe(self) -> Iterable[Metric]:
        """Return nothing: the names are known without asking for figures."""
        return ()


def _server(now: Figures) -> Iterator[Metric]:
    yield _gauge("ready", "Whether a further session is accepted", now.not_ready is None)
    yield _gauge("uptime_seconds", "Time since the start", now.uptime_s)
    yield _gauge("watchers", "Connections that only watch", now.watchers)
    yield _gauge("rooms", "Rooms, empty ones that are remembered included", len(now.rooms))
    yield _gauge("participants", "Participants in all rooms", sum(room.participants for room in now.rooms))
    yield _gauge("connection_queue_messages", "Messages that wait for all connections", sum(now.backlogs))
    longest = max(now.backlogs, default=0)
    yield _gauge("connection_queue_longest_messages", "Messages that wait for the slowest connection", longest)
    limits = {
        ("sessions",): now.limits.max_sessions,
        ("watchers",): now.limits.max_watchers,
        ("rooms",): now.limits.max_rooms,
    }
    yield _gauges("limit", "How many there may be at once", ("what",), limits.items())


def _sessions(now: Figures) -> Iterator[Metric]:
    totals = now.totals
    yield _gauge("sessions", "Open sessions", len(now.sessions))
    yield _gauge("sessions_streaming", "Open sessions that have sent media", sum(one.streaming for one in now.sessions))
    yield _counters("sessions_closed", "Ended sessions", ("reason",), _labelled(now.events.closed.items()))
    yield _counter("media_seconds", "Media of all sessions", totals.duration_ms / 1000)
    yield _counter("audio_chunks", "Pieces of sound taken in", totals.audio_chunks)
    yield _counter("video_frames", "Frames taken in", totals.video_frames)
    yield _counter("video_frames_analyzed", "Frames whose faces were told", totals.analyzed_frames)
    yield _counter("video_frames_followed", "Of these, where faces were only followed", totals.followed_frames)
    yield _counter("utterances", "Utterances with an emotion", totals.utterances)


def _events(now: Figures) -> Iterator[Metric]:
    seen = now.events
    uncertain = {(standing,): count for standing, count in seen.uncertain.items()}
    yield _counters("events", "Events told", ("type",), _labelled(seen.told.items()))
    yield _counters("emotions", "Emotions told, revisions included", ("label", "stage"), seen.emotions.items())
    yield _counters("emotions_uncertain", "Emotions told as uncertain", ("stage",), uncertain.items())
    yield _counters(
        "utterances_discarded", "Utterances without emotion", ("reason",), _labelled(seen.discarded.items())
    )
    yield _counters("warnings", "Warnings told", ("code",), _labelled(seen.warnings.items()))
    yield _counters("errors", "Errors told, refused connections included", ("code",), _labelled(seen.errors.items()))
    latency = HistogramMetricFamily(
        "m2fnet_latency_seconds", "From the end of speech to the first emotion of an utterance", labels=("stage",)
    )
    for stage in STAGES:
        spent = seen.latency[stage]
        latency.add_metric((stage,), _buckets(BOUNDS_S, spent.counts), spent.sum_s)
    yield latency


def _drops(now: Figures) -> Iterator[Metric]:
    yield _counters("dropped", "What was lost or left out", ("what", "reason"), now.losses().items())
    closed = now.dropped["slow_connections"]
    yield _counter("slow_connections_closed", "Connections closed because they did not read", closed)
    lost = now.models.dropped.items()
    yield _counters("engine_requests_dropped", "Inputs not computed", ("network", "reason"), lost)


def _engine(now: Figures) -> Iterator[Metric]:
    models = now.models
    info = {(models.engine.name, models.bundle): 1.0}
    yield _gauges("engine_info", "The engine in use and the trained weights", ("engine", "bundle"), info.items())
    yield _gauge("engine_building", "Whether a better engine is being built", models.engine.building is not None)
    given_up = Counter((fallback.engine,) for fallback in models.fallbacks)
    yield _counters("engine_fallbacks", "Engines given up", ("engine",), given_up.items())
    waiting = {(priority,): count for priority, count in models.waiting.items()}
    yield _gauges("engine_queue_requests", "Inputs that wait for a network", ("priority",), waiting.items())
    computed = {(network,): figures for network, figures in models.computed.items()}
    requests = {labels: figures.requests for labels, figures in computed.items()}
    seconds = {labels: figures.seconds for labels, figures in computed.items()}
    yield _counters("engine_requests", "Inputs computed", ("network",), requests.items())
    yield _counters("engine_busy_seconds", "Time the networks took", ("network",), seconds.items())
    yield _batches("engine_batch_requests", "Inputs computed together", ("network",), computed.items())


def _speech(now: Figures) -> Iterator[Metric]:
    asr = now.models.asr
    yield _gauges("asr_info", "The speech model in use", ("model",), [((now.models.asr_name,), 1.0)])
    waiting = {("final",): asr.waiting, ("partial",): asr.waiting_partials}
    yield _gauges("asr_queue_jobs", "Stretches that wait for speech recognition", ("kind",), waiting.items())
    yield _counters("asr_jobs", "Stretches heard, by what came of them", ("kind",), _labelled(asr.done.items()))
    yield _counter("asr_jobs_heard_again", "Stretches heard twice", asr.again.requests)
    yield _counter("asr_jobs_dropped", "Partial stretches not heard for lack of time", asr.dropped_partials)
    yield _counter("asr_sound_seconds", "Sound heard", asr.sound_s)
    seconds = {("first",): asr.first.seconds, ("again",): asr.again.seconds}
    yield _counters("asr_busy_seconds", "Time speech recognition took", ("hearing",), seconds.items())
    yield _batches("asr_batch_jobs", "Stretches heard together", (), [((), asr.first)])


def _lag(lag: LagCounts) -> Metric:
    below = [lag.below(bound) for bound in LAG_BOUNDS_MS]
    buckets = [(str(bound / 1000), float(count)) for bound, count in zip(LAG_BOUNDS_MS, below, strict=True)]
    family = HistogramMetricFamily("m2fnet_event_loop_lag_seconds", "By how much the event loop is late")
    family.add_metric((), [*buckets, ("+Inf", float(lag.total))], lag.sum_ms / 1000)
    return family


def _batches(name: str, text: str, labels: Labels, figures: Iterable[tuple[Labels, BatchFigures]]) -> Metric:
    family = HistogramMetricFamily(f"m2fnet_{name}", text, labels=labels)
    for values, batches in figures:
        counts = [0] * (len(BATCH_BOUNDS) + 1)
        for size, count in batches.sizes.items():
            counts[sum(bound < size for bound in BATCH_BOUNDS)] += count
        family.add_metric(values, _buckets(BATCH_BOUNDS, counts), batches.requests)
    return family


def _buckets(bounds: Sequence[float], counts: Sequence[int]) -> list[tuple[str, float]]:
    """Return cumulative counts with their bounds; ``counts`` has one more, of what is beyond the last bound."""
    names = [*(str(float(bound)) for bound in bounds), "+Inf"]
    return [(name, float(count)) for name, count in zip(names, accumulate(counts), strict=True)]


def _labelled(counts: Iterable[tuple[str, int]]) -> Values:
    return [((name,), count) for name, count in counts]


def _gauge(name: str, text: str, value: float) -> Metric:
    return _gauges(name, text, (), [((), value)])


def _gauges(name: str, text: str, labels: Labels, values: Values) -> Metric:
    return _filled(GaugeMetricFamily(f"m2fnet_{name}", text, labels=labels), values)


def _counter(name: str, text: str, value: float) -> Metric:
    return _counters(name, text, (), [((), value)])


def _counters(name: str, text: str, labels: Labels, values: Values) -> Metric:
    return _filled(CounterMetricFamily(f"m2fnet_{name}", text, labels=labels), values)


def _filled(family: GaugeMetricFamily | CounterMetricFamily, values: Values) -> Metric:
    for label, value in values:
        family.add_metric(label, value)
    return family
