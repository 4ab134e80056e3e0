"""OpenTelemetry: real processes send their spans to a collector, or go on as ever where there is none."""

import asyncio
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from aiohttp import ClientSession

from api_process import ApiProcess
from asking import ask
from dev_run import free_port
from otlp_collector import Collector, Seen, otlp_collector
from receivers import webhook_receiver
from service.settings import Settings
from worker_process import WorkerProcess

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "tracing.md"
TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GIVEN = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
SECRET = "a-text-that-no-span-may-hold"


def to(url: str, **more: str) -> dict[str, str]:
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_SCHEDULE_DELAY": "100", **more}


async def until_ended(client: ClientSession, job_id: str) -> str:
    async with asyncio.timeout(20):
        while True:
            status: str = (await ask(client, "GET", f"/api/jobs/{job_id}")).body["status"]
            if status in ("finished", "failed"):
                return status
            await asyncio.sleep(0.05)


def documented() -> dict[str, set[str]]:
    """Each span's attributes, by the span's name in the table."""
    rows = re.findall(
        r"^\| `([^|]+)` \| (\w+) \| .*? \| (.*) \|$", DOCS.read_text(encoding="utf-8"), re.MULTILINE
    )
    return {
        f"{name} ({kind})": set(re.findall(r"`([a-z_]+[.][a-z_.]+)`", attributes))
        for name, kind, attributes in rows
    }


def row_of(span: Seen) -> str:
    """In which row of the table it stands."""
    verb, _, rest = span.name.partition(" ")
    if span.kind == "server":
        return "METHOD route (server)"
    rest = {"submit": "type", "run": "type", "notify": "kind"}.get(verb, "")
    return f"{verb} {rest} ({span.kind})" if rest else f"METHOD ({span.kind})"


def test_the_table_lists_exactly_the_attributes_of_the_code() -> None:
    files = [path for folder in ("service", "workers") for path in (ROOT / folder).rglob("*.py")]
    code = "".join(path.read_text(encoding="utf-8") for path in files)
    ours, known = r"lavori\.(?:job|notice|request)\.\w+", r"(?:messaging|server|url|error)\.[\w.]+"
    http = r"http\.route|http\.(?:request|response)\.\w+"
    told = set(re.findall(rf'"({ours}|{known}|{http})"', code))
    assert {name for names in documented().values() for name in names} == told


async def test_one_trace_goes_over_request_attempt_and_webhook(settings: Settings) -> None:
    async with webhook_receiver() as hooks, otlp_collector() as collector:
        more = to(collector.url, LAVORI_OUTBOUND_ALLOW=f"127.0.0.1:{hooks.port}", LAVORI_LOG_LEVEL="info")
        with ApiProcess(settings, environ=more) as api, WorkerProcess(settings, more) as worker:
            await api.until_ready()
            async with api.session() as client:
                body = {
                    "type": "callWebserviceEndpoint",
                    "args": {"url": hooks.url(f"/called?{SECRET}"), "headers": {"X-Secret": SECRET}},
                    "notify": {"webhook_url": hooks.url(f"/hook?{SECRET}")},
                }
                made = await ask(client, "POST", "/api/jobs", json=body, headers=GIVEN)
                assert made.status == 201, made.body
                assert await until_ended(client, made.body["id"]) == "finished"
                refused = await ask(client, "POST", "/api/jobs", json={"type": "nothing"})
                assert refused.status == 422
            (call,) = await hooks.until(1)
            request, submit, attempt, webhook, called = await collector.until(
                "POST /api/jobs",
                "submit callWebserviceEndpoint",
                "run callWebserviceEndpoint",
                "notify webhook",
                "GET",
            )
            assert {one.trace for one in (request, submit, attempt, webhook, called)} == {TRACE}
            assert request.parent == CALLER
            assert submit.parent == request.id
            assert attempt.parent == webhook.parent == submit.id
            assert called.parent == attempt.id
            assert call.headers["traceparent"] == f"00-{TRACE}-{webhook.id}-01"
            assert (request.process, attempt.process, webhook.process) == ("api", "worker", "worker")
            assert [one.kind for one in (request, submit, attempt, webhook, called)] == [
                "server", "producer", "consumer", "client", "client"
            ]  # fmt: skip
            assert request.attributes["http.response.status_code"] == 201
            assert attempt.attributes["lavori.job.outcome"] == "finished"
            assert attempt.attributes["messaging.message.id"] == made.body["id"]
            assert webhook.attributes["http.response.status_code"] == 200
            await every_span_is_documented(collector)
            assert SECRET not in str(collector.spans)
            lines = [json.loads(line) for said in (api.said, worker.said) for line in said.splitlines()]
            own = [line for line in lines if line.get("action") == "http.request" and line["status"] == 422]
            assert re.fullmatch("[0-9a-f]{32}", own[0]["trace_id"]), "a request without one begins a trace"
            assert own[0]["trace_id"] != TRACE


async def test_the_job_of_a_schedule_begins_a_trace_that_its_attempt_goes_on_with(settings: Settings) -> None:
    async with otlp_collector() as collector:
        more = to(collector.url)
        with ApiProcess(settings) as api, WorkerProcess(settings, more):
            await api.until_ready()
            async with api.session() as client:
                body = {"code": "often", "type": "echo", "schedule": {"cron": "* * * * * *"}}
                assert (await ask(client, "POST", "/api/job-definitions", json=body)).status == 201
            _, attempt = await collector.until("submit echo", "run echo")
            submit = next(span for span in collector.spans if span.id == attempt.parent)
            assert submit.name == "submit echo"
            assert (submit.process, submit.kind) == ("worker", "producer")
            assert not submit.parent
            assert attempt.trace == submit.trace
            assert attempt.attributes["messaging.message.id"] == submit.attributes["messaging.message.id"]


async def every_span_is_documented(collector: Collector) -> None:
    table = documented()
    for span in collector.spans:
        assert set(span.attributes) <= table[row_of(span)], span
    assert {row_of(span) for span in collector.spans} == set(table)


async def test_what_failed_is_told_as_failed_and_probes_are_not_told(settings: Settings) -> None:
    async with otlp_collector() as collector:
        more = to(collector.url, OTEL_EXPORTER_OTLP_HEADERS="x-of-the-collector=its-key")
        with ApiProcess(settings, environ=more) as api, WorkerProcess(settings, more):
            await api.until_ready()
            async with api.session() as client:
                made = await ask(
                    client,
                    "POST",
                    "/api/jobs",
                    json={"type": "fails", "max_attempts": 2},
                    headers=GIVEN,
                )
                assert await until_ended(client, made.body["id"]) == "failed"
                async with client.get("/metrics") as response:
                    await response.read()
            async with asyncio.timeout(20):
                while len(attempts := [span for span in collector.spans if span.name == "run fails"]) < 2:
                    await asyncio.sleep(0.02)
        assert [span.attributes["lavori.job.attempt"] for span in attempts] == [1, 2]
        assert [span.failed for span in attempts] == [True, True]
        assert [span.attributes["lavori.job.status"] for span in attempts] == ["pending", "failed"]
        assert {span.attributes["error.type"] for span in attempts} == {"no"}
        assert attempts[0].parent == attempts[1].parent
        assert not any("/readyz" in span.name or "/metrics" in span.name for span in collector.spans)
        assert collector.headers[0]["x-of-the-collector"] == "its-key"


@pytest.mark.parametrize("dead", ["refuses", "never answers"])
async def test_a_dead_collector_fails_nothing_and_holds_up_no_shutdown(settings: Settings, dead: str) -> None:
    async with otlp_collector() as collector:
        collector.mute = True
        url = collector.url if dead == "never answers" else f"http://127.0.0.1:{free_port()}"
        with ApiProcess(settings, environ=to(url)) as api, WorkerProcess(settings, to(url)) as worker:
            await api.until_ready()
            async with api.session() as client:
                for _ in range(20):
                    began = time.monotonic()
                    made = await ask(client, "POST", "/api/jobs", json={"type": "echo"})
                    assert made.status == 201
                    assert time.monotonic() - began < 2, "an export is given up after ten seconds"
                    assert await until_ended(client, made.body["id"]) == "finished"
            if dead == "never answers":
                async with asyncio.timeout(10):
                    while collector.asked < 2:  # both processes wait for it
                        await asyncio.sleep(0.02)
            began = time.monotonic()
            api.signal(signal.SIGTERM)
            worker.signal(signal.SIGTERM)
            assert await api.exit_code(9) == 0
            assert await asyncio.to_thread(worker.exit_code, 9) == 0
            assert time.monotonic() - began < 8


async def test_the_last_spans_are_sent_at_the_end(settings: Settings) -> None:
    async with otlp_collector() as collector:
        more = to(collector.url, OTEL_BSP_SCHEDULE_DELAY="60000")
        with ApiProcess(settings, environ=more) as api:
            await api.until_ready()
            async with api.session() as client:
                await ask(client, "GET", "/api/jobs")
            assert collector.spans == []
            api.signal(signal.SIGTERM)
            assert await api.exit_code(9) == 0
        assert [span.name for span in collector.spans] == ["GET /api/jobs"]


@pytest.mark.parametrize(
    "environ",
    [
        {},
        to("http://127.0.0.1:9", OTEL_SDK_DISABLED="true"),
        to("http://127.0.0.1:9", OTEL_TRACES_EXPORTER="none"),
    ],
)
def test_switched_off_it_imports_nothing_and_wraps_no_request(environ: dict[str, str]) -> None:
    program = """
import os, sys
from service.app import create_app
from service.cli import serve, worker
from service.cli.front_door import installed_job_types, tracing
from service.settings import Settings
settings = Settings.from_environ(os.environ)
with tracing(settings, "api"):
    app = create_app(settings, installed_job_types(settings))
assert len(app.middlewares) == 2, app.middlewares
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
"""
    subprocess.run([sys.executable, "-c", program], env=environ, check=True, timeout=60)
