"""What one scrape shows: this process's metrics, and beside them what all processes have counted together. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

import orjson
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Sample

Sums = Mapping[tuple[str, str], float]
"""Sums of the whole system, by the sample's name and its labels as JSON with sorted names."""

_SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}


def sums_of(registry: CollectorRegistry) -> Sums:
    """What the counters and histograms of a registry have counted."""
    return {
        (sample.name, orjson.dumps(sample.labels, option=orjson.OPT_SORT_KEYS).decode()): sample.value
        for family in registry.collect()
        for sample in family.samples
    }


class Exposition:
    """A collector for prometheus_client's encoders; `sums` are replaced whenever they were read."""

    def __init__(self, own: CollectorRegistry, system: CollectorRegistry) -> None:
        self._own = own
        self._system = system
        self.sums: Sums = {}

    def collect(self) -> Iterator[Metric]:
        """Every family once. Of the system's, the sums count, and this process's samples where there are none."""
        told = defaultdict(list)
        for (name, labels), value in self.sums.items():
            told[name].append(Sample(name, orjson.loads(labels), value))
        for family in (*self._own.collect(), *self._system.collect()):
            added = [
                sample for suffix in _SUFFIXES.get(family.type, ()) for sample in told[family.name + suffix]
            ]
            if added:
                family.samples = _merged(family.samples, added)
            yield family


def _merged(own: Iterable[Sample], added: Iterable[Sample]) -> list[Sample]:
    """All samples in the order that the format wants: a histogram's buckets from the lowest on, then count and sum."""
    samples = {(one.name, *sorted(one.labels.items())): one for one in (*own, *added)}
    return sorted(samples.values(), key=_order)


def _order(sample: Sample) -> tuple[list[tuple[str, str]], str, float]:
    labels = dict(sample.labels)
    bound = float(labels.pop("le", "inf"))
    return sorted(labels.items()), sample.name, bound
