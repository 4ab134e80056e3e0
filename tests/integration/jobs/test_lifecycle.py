"""A job's life over HTTP, with a real worker."""

import asyncio

from aiohttp import ClientSession

from running import Submit, until


async def test_a_submitted_job_runs_and_gives_its_output(
    api: ClientSession, submit: Submit, worker: asyncio.Event
) -> None:
    made = await submit("echo", args={"name": "Ada", "n": 1})
    assert made["status"] == "pending"
    ended = await until(api, made["id"], "finished", "failed")
    assert ended["status"] == "finished", ended
    assert ended["percent_completed"] == 100
    assert ended["output"] == '{"name":"Ada","n":1}'
