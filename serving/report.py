"""What a server tells of itself over HTTP: whether it lives, whether it is ready, how it stands."""

import json
import time
from collections.abc import Callable
from http import HTTPStatus

from websockets.http11 import Response

from models.threads import broken_parts
from serving.http import asyncapi
from serving.http.pages import Answer, answer, as_json, plain
from serving.http.waiting import Waiting
from serving.sessions.registry import SessionRegistry
from serving.telemetry.event_tally import EventTally
from serving.telemetry.figures import Figures, why_not_ready
from serving.telemetry.loop_lag import LoopWatch
from serving.telemetry.metrics import CONTENT_TYPE, Metrics
from serving.telemetry.status import server_status


class ServerReport:
    """Tells of one server, from when it is made.

    Args:
        events: counts what the sessions of ``registry`` tell.
        waiting: counts who is not let in yet.
        watchers: returns how many watch.

    Attributes:
        stopping: set when the server takes nobody in any more.
        loop_watch: to be run in the server's loop.
    """

    def __init__(
        self, registry: SessionRegistry, events: EventTally, waiting: Waiting, watchers: Callable[[], int]
    ) -> None:
        self.stopping = False
        self.loop_watch = LoopWatch()
        self._registry = registry
        self._events = events
        self._waiting = waiting
        self._watchers = watchers
        self._started = time.monotonic()
        self._metrics = Metrics(self.figures)

    def public_answers(self) -> dict[str, Answer]:
        """Return what is answered over HTTP to who does not know the token, by path."""
        return {
            "/healthz": lambda: as_json(json.dumps({"status": self._status})),
            "/readyz": self._readiness,
            "/asyncapi.yaml": lambda: answer(HTTPStatus.OK, asyncapi.text().encode(), "application/yaml"),
        }

    def answers(self) -> dict[str, Answer]:
        """Return what is answered over HTTP to who knows it, by path."""
        return {
            **self.public_answers(),
            "/healthz": lambda: as_json(json.dumps(self.health())),
            "/metrics": lambda: answer(HTTPStatus.OK, self._metrics.exposition(), CONTENT_TYPE),
            "/v1/status": lambda: as_json(server_status(self.figures()).model_dump_json()),
        }

    def figures(self) -> Figures:
        """Return how the server stands."""
        registry = self._registry
        return Figures(
            uptime_s=time.monotonic() - self._started,
            not_ready=self._not_ready(),
            limits=registry.settings.server,
            sessions=registry.sessions(),
            rooms=registry.rooms.figures(),
            watchers=self._watchers(),
            backlogs=registry.broadcast.backlogs,
            totals=registry.totals(),
            dropped=self._dropped(),
            events=self._events.figures,
            models=registry.models.figures,
            lag=self.loop_watch.lag,
            broken=broken_parts(),
        )

    def health(self) -> dict[str, object]:
        """Return the body of ``/healthz``."""
        models = self._registry.models.figures
        lost: dict[str, dict[str, int]] = {}
        for (network, reason), count in models.dropped.items():
            lost.setdefault(network, {})[reason] = count
        return {
            "status": self._status,
            "sessions": self._registry.broadcast.sessions,
            "rooms": len(self._registry.rooms),
            "watchers": self._watchers(),
            "engine": models.engine.name,
            "engine_building": models.engine.building,
            "bundle": models.bundle,
            "asr_model": models.asr_name,
            "uptime_s": round(time.monotonic() - self._started, 1),
            "dropped": self._dropped(),
            "dropped_requests": lost,
            "event_loop": self.loop_watch.figures(),
        }

    @property
    def _status(self) -> str:
        return "stopping" if self.stopping else "ok"

    def _dropped(self) -> dict[str, int]:
        return self._registry.dropped() | {"connections": self._waiting.dropped}

    def _readiness(self) -> Response:
        why_not = self._not_ready()
        return plain(HTTPStatus.OK, "ready") if why_not is None else plain(HTTPStatus.SERVICE_UNAVAILABLE, why_not)

    def _not_ready(self) -> str | None:
        limit = self._registry.settings.server.max_sessions
        sessions, hanging = self._registry.broadcast.sessions, self._registry.models.figures.hanging
        return why_not_ready(stopping=self.stopping, sessions=sessions, limit=limit, hanging=hanging)
