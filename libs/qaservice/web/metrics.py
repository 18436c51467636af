"""The metrics of a web application, in a registry of its own."""

import time
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class RequestMetrics:
    """Times requests by route template, method and status; `store_errors` counts those a store failed, by error."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._durations = Histogram(
            "qaservice_http_request_duration_seconds",
            "HTTP requests by route template, method and status.",
            ["route", "method", "status"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self._children: dict[tuple[str, str, int], Histogram] = {}
        self.store_errors = Counter(
            "qaservice_store_errors", "Calls of a store that failed.", ["error"], registry=registry
        )

    def observe(self, route: str, method: str, status: int, seconds: float) -> None:
        """Note one request that has ended."""
        labels = (route, method, status)
        child = self._children.get(labels)
        if child is None:
            child = self._children[labels] = self._durations.labels(*labels)
        child.observe(seconds)


def appends(registry: CollectorRegistry) -> Callable[[str], None]:
    """Counts events appended, by their type."""
    counter = Counter("qaservice_appends", "Events appended to the log.", ["type"], registry=registry)
    of_type = lru_cache(counter.labels)
    return lambda type_: of_type(type_).inc()


def watchers(registry: CollectorRegistry, count: Callable[[], int]) -> None:
    """Shows how many watch for changes now."""
    Gauge("qaservice_watchers", "Connections that watch for changes.", registry=registry).set_function(count)


def events_applied(registry: CollectorRegistry) -> Callable[[int], None]:
    """Counts events whose effect is durable in the read model."""
    return Counter("qaservice_events_applied", "Events applied to the read model.", registry=registry).inc


def lag_seconds(registry: CollectorRegistry, confirmed: Callable[[], datetime | None]) -> None:
    """Shows the time since `confirmed`, the last moment at which the read model was known to be complete; since this
    process's start where none is known."""
    started = time.time()

    def seconds() -> float:
        moment = confirmed()
        return max(0.0, time.time() - (started if moment is None else moment.timestamp()))

    help_ = "Seconds since the read model was last known to hold everything."
    Gauge("qaservice_projection_lag_seconds", help_, registry=registry).set_function(seconds)


def lag_events(registry: CollectorRegistry) -> Gauge:
    """How many events the read model lacks."""
    return Gauge("qaservice_projection_lag_events", "Events of the log that the read model lacks.", registry=registry)


def new_registry() -> CollectorRegistry:
    """A registry with the process's own figures: memory, CPU, open files, garbage collection."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def exposition(registry: CollectorRegistry) -> tuple[str, str]:
    """The figures as text, and their content type."""
    return generate_latest(registry).decode(), CONTENT_TYPE_LATEST
