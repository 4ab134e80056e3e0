"""A trace leads from a request through the logs of two processes to the webhook that tells of the end."""

import asyncio
import json
from typing import Any

from api_process import ApiProcess
from asking import ask
from receivers import webhook_receiver
from service.settings import Settings
from worker_process import WorkerProcess

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
GIVEN = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}


LINES = {
    "http.request": {"request_id", "tenant"},
    "job.submitted": {"request_id", "tenant", "job_id"},
    "job.started": {"tenant_id", "job_id"},
    "job.finished": {"tenant_id", "job_id"},
    "notice.tried": {"tenant_id", "job_id", "notice_id"},
}
"""What is to be told of the trace, and the ids that each line bears."""


def traced(said: str, trace: str = TRACE) -> list[dict[str, Any]]:
    """The lines that belong to a trace."""
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    return [line for line in lines if line.get("trace_id") == trace]


async def test_a_trace_leads_from_the_request_to_the_webhook(settings: Settings) -> None:
    async with webhook_receiver() as hooks:
        more = {"LAVORI_OUTBOUND_ALLOW": f"127.0.0.1:{hooks.port}", "LAVORI_LOG_LEVEL": "info"}
        with ApiProcess(settings, environ=more) as api, WorkerProcess(settings, more) as worker:
            await api.until_ready()
            async with api.session() as client:
                body = {"type": "echo", "notify": {"webhook_url": hooks.url()}}
                made = await ask(client, "POST", "/api/jobs", json=body, headers=GIVEN)
                assert made.status == 201
                await ask(
                    client, "POST", "/api/jobs", json={"type": "echo"}, headers={"traceparent": "broken"}
                )
            (call,) = await hooks.until(1)
            assert call.headers["traceparent"].split("-")[1] == TRACE
            assert call.headers["traceparent"] != GIVEN["traceparent"]
            async with asyncio.timeout(10):
                while len(lines := traced(api.said) + traced(worker.said)) < len(LINES):
                    await asyncio.sleep(0.05)
            assert sorted(line["action"] for line in lines) == sorted(LINES), "one line each"
            for line in lines:
                assert LINES[line["action"]] <= line.keys(), line
                assert line.get("job_id", made.body["id"]) == made.body["id"]


async def test_each_fire_of_a_schedule_is_a_trace_that_leads_to_its_webhook(settings: Settings) -> None:
    async with webhook_receiver() as hooks:
        more = {"LAVORI_OUTBOUND_ALLOW": f"127.0.0.1:{hooks.port}", "LAVORI_LOG_LEVEL": "info"}
        with ApiProcess(settings, environ=more) as api, WorkerProcess(settings, more) as worker:
            await api.until_ready()
            async with api.session() as client:
                hook = await ask(client, "POST", "/api/webhook-endpoints", json={"url": hooks.url()})
                assert hook.status == 201
                body = {"code": "often", "type": "echo", "schedule": {"cron": "* * * * * *"}}
                assert (await ask(client, "POST", "/api/job-definitions", json=body)).status == 201
                calls = await hooks.until(2)
            traces = [call.headers["traceparent"].split("-")[1] for call in calls]
            assert len(set(traces)) == len(traces), "each fire begins its own"
            for trace in traces[:2]:
                told = [one for one in LINES if one not in ("http.request", "job.submitted")]
                async with asyncio.timeout(10):
                    while len(lines := traced(worker.said, trace)) < len(told):
                        await asyncio.sleep(0.05)
                assert sorted(line["action"] for line in lines) == sorted(told)
                assert len({line["job_id"] for line in lines}) == 1
