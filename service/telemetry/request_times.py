"""The histogram of requests. It is kept by hand, because prometheus_client's own costs each request a microsecond."""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Times:
    """How long the requests of one method, route and class of status took."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds


class RequestTimes(Collector):
    """All of them, as a metric."""

    def __init__(self) -> None:
        self._times: dict[tuple[str, str, str], Times] = {}

    def of(self, method: str, route: str, status: int) -> Times:
        """Where requests of this kind are counted; by the class of the status, as `2xx`."""
        return self._times.setdefault((method, route, f"{status // 100}xx"), Times())

    def collect(self) -> Iterator[HistogramMetricFamily]:
        family = HistogramMetricFamily(
            "http_server_request_duration_seconds",
            "Requests, by the template of their route and the class of their status.",
            labels=("method", "route", "status"),
        )
        names = [*map(str, BOUNDS), "+Inf"]
        for labels, times in self._times.items():
            buckets = list(zip(names, map(float, accumulate(times.counts)), strict=True))
            family.add_metric(labels, buckets, times.total)
        yield family
