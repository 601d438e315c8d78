"""The collectors of one process, made from the declared list; asking for a metric that is not declared is a KeyError."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from streams.metric_list import declared

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.metric_list import Metric, Process

__all__ = ["Metrics"]


class Metrics:
    """Every metric that this process shows. Series of listed labels stand at 0 from the start, so that a first event is a rise."""

    def __init__(self, process: Process) -> None:
        registry = self.registry = CollectorRegistry()
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._histograms: dict[str, Histogram] = {}
        for metric in declared(process):
            names = [name for name, _ in metric.labels]
            if metric.kind == "counter":
                self._counters[metric.name] = _begun(Counter(metric.name, metric.help, names, registry=registry), metric)
            elif metric.kind == "gauge":
                self._gauges[metric.name] = Gauge(metric.name, metric.help, names, registry=registry)
            else:
                made = Histogram(metric.name, metric.help, names, registry=registry, buckets=metric.buckets)
                self._histograms[metric.name] = made

    def counter(self, name: str) -> Counter:
        """By its declared name, `_total` and all."""
        return self._counters[name]

    def gauge(self, name: str) -> Gauge:
        """By its declared name."""
        return self._gauges[name]

    def histogram(self, name: str) -> Histogram:
        """By its declared name."""
        return self._histograms[name]

    def follow(self, name: str, value: Callable[[], float]) -> None:
        """A gauge without labels that asks at every scrape."""
        self._gauges[name].set_function(value)


def _begun(counter: Counter, metric: Metric) -> Counter:
    match metric.labels:
        case ((_, tuple() as values),):
            for value in values:
                counter.labels(value)
        case ((_, tuple() as one), (_, tuple() as other)):
            for value in one:
                for second in other:
                    counter.labels(value, second)
    return counter
