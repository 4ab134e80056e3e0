"""What a scrape shows of the sums that all processes have counted."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from service.telemetry.exposition import Exposition, sums_of
from service.telemetry.request_times import BOUNDS, RequestTimes


def lines(exposition: Exposition) -> list[str]:
    return [line for line in generate_latest(exposition).decode().splitlines() if not line.startswith("#")]


def worker() -> CollectorRegistry:
    registry = CollectorRegistry()
    Counter("ended", "Ends.", ["status"], registry=registry).labels("done").inc(3)
    Histogram("lag_seconds", "Lag.", ["process"], buckets=(0.5, 2, 10), registry=registry).labels(
        "worker"
    ).observe(1)
    return registry


def api() -> tuple[CollectorRegistry, CollectorRegistry]:
    own, system = CollectorRegistry(), CollectorRegistry()
    Histogram("lag_seconds", "Lag.", ["process"], buckets=(0.5, 2, 10), registry=own).labels("api").observe(
        0.1
    )
    Gauge("running", "Running.", registry=own).set(4)
    Counter("ended", "Ends.", ["status"], registry=system)
    Counter("lost", "Lost.", registry=system)
    return own, system


def test_each_family_stands_once_with_the_samples_of_all_processes() -> None:
    exposition = Exposition(*api())
    exposition.sums = sums_of(worker())
    shown = lines(exposition)
    assert 'ended_total{status="done"} 3.0' in shown
    assert 'lag_seconds_count{process="api"} 1.0' in shown
    assert 'lag_seconds_count{process="worker"} 1.0' in shown
    assert "running 4.0" in shown
    assert "lost_total 0.0" in shown, "what nobody has counted yet is zero, not missing"
    assert len(shown) == len(set(shown))


def test_the_sums_replace_what_this_process_has_counted_of_them() -> None:
    own, system = api()
    exposition = Exposition(own, system)
    exposition.sums = {("lost_total", "{}"): 7.0}
    assert "lost_total 7.0" in lines(exposition)
    assert "lost_total 0.0" not in lines(exposition)


def test_an_openmetrics_parser_takes_it_whatever_order_the_rows_come_in() -> None:
    exposition = Exposition(*api())
    exposition.sums = dict(list(sums_of(worker()).items())[::-1])
    text = generate_openmetrics(exposition).decode()  # type: ignore[no-untyped-call]
    families = list(text_string_to_metric_families(text))  # type: ignore[no-untyped-call]
    buckets = [one for family in families for one in family.samples if one.labels.get("process") == "worker"]
    assert [one.labels["le"] for one in buckets if "le" in one.labels] == ["0.5", "2.0", "10.0", "+Inf"]


def test_request_times_are_a_histogram_like_those_of_the_library() -> None:
    values = (0.0, 0.001, 0.0011, 0.3, 30.0, 31.0)
    times, registry = RequestTimes(), CollectorRegistry()
    theirs = Histogram(
        "http_server_request_duration_seconds",
        "Requests, by the template of their route and the class of their status.",
        ["method", "route", "status"],
        buckets=BOUNDS,
        registry=registry,
    )
    for value in values:
        times.of("GET", "/x", 204).observe(value)
        theirs.labels("GET", "/x", "2xx").observe(value)
    ours = CollectorRegistry()
    ours.register(times)
    expected = {key: value for key, value in sums_of(registry).items() if not key[0].endswith("_created")}
    assert sums_of(ours) == expected
