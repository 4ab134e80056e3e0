"""GET /metrics of a running system: docs/metrics.md lists all there is, and one scrape tells of workers too."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer
from prometheus_client.parser import text_string_to_metric_families

from running import until
from service.app import create_app
from service.db.metric_sums import SumWriter, add_sums, read_sums
from service.jobs.jobtype import JobTypes
from service.settings import Settings
from service.telemetry.metrics import SystemMetrics

DOCS = Path(__file__).parents[3] / "docs" / "metrics.md"
Submit = Callable[..., Awaitable[dict[str, Any]]]
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def scrape(api: ClientSession) -> tuple[dict[str, str], Samples]:
    """Types by metric, and values by sample and labels."""
    async with api.get("/metrics", headers={"Authorization": ""}) as response:
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        text = await response.text()
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    samples = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    return types, samples


async def until_sample(api: ClientSession, name: str, value: float, **labels: str) -> Samples:
    """Scrape until a sample has this value."""
    async with asyncio.timeout(15):
        while True:
            _, samples = await scrape(api)
            if samples.get((name, frozenset(labels.items()))) == value:
                return samples
            await asyncio.sleep(0.1)


async def test_a_scrape_has_exactly_the_metrics_of_the_documentation(
    api: ClientSession, submit: Submit, worker: asyncio.Event
) -> None:
    made = await submit("echo")
    await until(api, made["id"], "finished")
    samples = await until_sample(api, "jobs_finished_total", 1, type="echo", status="finished")
    types, _ = await scrape(api)
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \|", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    assert {name: kind for name, kind, _ in rows} == types
    assert [name for name, _, _ in rows] == sorted(types)
    for name, _, labels in rows:
        listed = set(re.findall(r"`(\w+)`", labels))
        used = {
            label
            for sample, pairs in samples
            if re.fullmatch(rf"{name}(_bucket|_count|_sum)?", sample)
            for label, _ in pairs
        }
        assert used - {"le"} <= listed, name
    told = " ".join(value for _, pairs in samples for _, value in pairs)
    assert made["id"] not in told
    assert "admin" not in told


async def test_what_workers_did_shows_at_the_api(
    api: ClientSession, submit: Submit, worker: asyncio.Event
) -> None:
    made = [
        await submit("echo"),
        await submit("flaky", args={"failures": 1}),
        await submit("flaky", args={"failures": 9}),
    ]
    for one in made:
        await until(api, one["id"], "finished", "failed", seconds=30)
    await until_sample(api, "jobs_finished_total", 1, type="flaky", status="failed")
    await until_sample(api, "jobs_finished_total", 1, type="flaky", status="finished")
    attempts = 1 + 2 + 5
    samples = await until_sample(api, "jobs_run_duration_seconds_count", attempts)
    assert samples["jobs_queue_wait_seconds_count", frozenset()] == attempts
    assert samples["jobs_queue_wait_seconds_sum", frozenset()] < 5
    assert samples["event_loop_lag_seconds_count", frozenset({("process", "worker")})] > 0
    assert samples["jobs_submitted_total", frozenset({("type", "flaky"), ("outcome", "created")})] == 2


async def test_submissions_are_counted_by_what_became_of_them(api: ClientSession, submit: Submit) -> None:
    await submit("echo", idempotency_key="one")
    for body in (
        {"type": "echo", "idempotency_key": "one"},
        {"type": "steps", "args": {"steps": "many"}},
        {"type": "no" * 20},
        ["no", "object"],
    ):
        async with api.post("/api/jobs", json=body) as response:
            await response.read()
    _, samples = await scrape(api)
    submitted = {
        tuple(sorted(labels)): value
        for (name, labels), value in samples.items()
        if name == "jobs_submitted_total"
    }
    assert submitted == {
        (("outcome", "created"), ("type", "echo")): 1,
        (("outcome", "replayed"), ("type", "echo")): 1,
        (("outcome", "refused"), ("type", "steps")): 1,
        (("outcome", "refused"), ("type", "unknown")): 2,
    }


async def test_requests_are_counted_by_templates_of_which_there_are_few(api: ClientSession) -> None:
    for method, path in (
        ("GET", "/api/jobs/0199f3c2-7b1e-7cc4-9d3e-5a1b2c3d4e5f"),
        ("GET", "/it/api/jobs/0199f3c2-7b1e-7cc4-9d3e-5a1b2c3d4e60"),
        ("GET", "/d/0199f3c2-7b1e-7cc4-9d3e-5a1b2c3d4e5f/secret-token"),
        ("GET", "/nothing/1"),
        ("PURGE", "/nothing/2"),
        ("DELETE", "/api/jobs"),
    ):
        async with api.request(method, path) as response:
            await response.read()
    _, samples = await scrape(api)
    counted = {
        tuple(dict(labels)[name] for name in ("method", "route", "status")): value
        for (name, labels), value in samples.items()
        if name == "http_server_request_duration_seconds_count"
    }
    assert counted == {
        ("GET", "/api/jobs/{id}", "4xx"): 2,
        ("GET", "/d/{link}/{token}", "4xx"): 1,
        ("GET", "unmatched", "4xx"): 1,
        ("other", "unmatched", "4xx"): 1,
        ("DELETE", "unmatched", "4xx"): 1,
    }


async def test_the_backlog_is_read_from_the_database_and_kept_for_seconds(
    api: ClientSession, submit: Submit, pool: asyncpg.Pool
) -> None:
    for _ in range(3):
        await submit("echo")
    await submit("echo", run_at="2100-01-01T00:00:00Z")
    samples = await until_sample(api, "jobs_queue_depth", 3, queue="default")
    assert samples["jobs_running", frozenset()] == 0
    assert 0 <= samples["jobs_oldest_waiting_age_seconds", frozenset({("queue", "default")})] < 15
    await submit("echo")
    _, again = await scrape(api)
    assert again["jobs_queue_depth", frozenset({("queue", "default")})] == 3, "five seconds are not over"


async def test_a_cancelled_job_that_never_ran_is_a_finished_one_too(
    api: ClientSession, submit: Submit
) -> None:
    made = await submit("echo")
    async with api.post(f"/api/jobs/{made['id']}/cancel") as response:
        assert response.status == 200
    await until_sample(api, "jobs_finished_total", 1, type="echo", status="cancelled")


async def test_waiting_clients_are_counted(api: ClientSession, submit: Submit) -> None:
    made = await submit("echo")
    async with api.get(f"/api/jobs/{made['id']}/events"), api.get("/api/events"):
        samples = await until_sample(api, "waiters", 1, kind="jobs")
        assert samples["waiters", frozenset({("kind", "tenant")})] == 1
    await until_sample(api, "waiters", 0, kind="jobs")


async def test_without_the_token_of_the_settings_metrics_are_401(
    settings: Settings, job_types: JobTypes
) -> None:
    closed = Settings.from_environ(
        {
            "DATABASE_URL": settings.database_url or "",
            "REDIS_URL": settings.redis_url or "",
            "LAVORI_SECRET_KEYS": "k" * 32,
            "LAVORI_METRICS_TOKEN": "a-token-for-prometheus",
        }
    )
    async with (
        TestServer(create_app(closed, job_types)) as server,
        ClientSession(server.make_url("/")) as client,
    ):
        for given, status in (
            (None, 401),
            ("Bearer a-token-for-prometheu", 401),
            ("Bearer a-token-for-prometheusx", 401),
            ("Basic a-token-for-prometheus", 401),
            ("Bearer \u00fc", 401),
            ("bearer a-token-for-prometheus", 200),
        ):
            headers = {} if given is None else {"Authorization": given}
            async with client.get("/metrics", headers=headers) as response:
                assert response.status == status, given
                assert (response.headers.get("WWW-Authenticate") == "Bearer") == (status == 401)


async def test_openmetrics_is_given_to_who_asks_for_it(api: ClientSession) -> None:
    async with api.get(
        "/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}
    ) as response:
        assert response.content_type == "application/openmetrics-text"
        assert (await response.text()).endswith("# EOF\n")


async def test_two_writers_add_up_and_a_failed_write_goes_with_the_next(
    pool: asyncpg.Pool, database_url: str
) -> None:
    first, second = SystemMetrics(), SystemMetrics()
    writers = [SumWriter(pool, first.registry), SumWriter(pool, second.registry)]
    first.leases_expired.inc(2)
    second.leases_expired.inc(3)
    await asyncio.gather(*(writer.write() for writer in writers))
    await pool.execute("ALTER TABLE metric_sums RENAME TO gone")
    first.leases_expired.inc()
    await writers[0].write()
    await pool.execute("ALTER TABLE gone RENAME TO metric_sums")
    await writers[0].write()
    await writers[0].write()
    assert (await read_sums(pool))["jobs_leases_expired_total", "{}"] == 6


async def test_adding_at_once_never_deadlocks(pool: asyncpg.Pool) -> None:
    keys = [(f"sample_{number}", "{}") for number in range(50)]
    orders = [keys, keys[::-1]] * 10
    await asyncio.gather(*(add_sums(pool, dict.fromkeys(order, 1.0)) for order in orders))
    assert set((await read_sums(pool)).values()) == {20.0}


@pytest.mark.parametrize(
    "statement", ["ALTER TABLE jobs RENAME TO gone", "ALTER TABLE metric_sums RENAME TO gone"]
)
async def test_what_the_database_does_not_tell_is_left_out_not_made_up(
    api: ClientSession, pool: asyncpg.Pool, statement: str
) -> None:
    await pool.execute(statement)
    types, samples = await scrape(api)
    assert "jobs_queue_depth" in types
    shown = ("jobs_queue_depth", frozenset({("queue", "default")})) in samples
    assert shown == ("metric_sums" in statement)
