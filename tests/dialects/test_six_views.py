"""A job that was made in one dialect, seen in all of them through its whole life."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from aiohttp import ClientSession
from marshmallow import Schema, fields

import odd_jobs
from asking import ask
from running import job, running_worker, until
from service.jobs.jobtype import JobFailed, JobTypes, job_type, load_job_types
from service.jobs.purge import purge_batch
from service.settings import Settings
from views_of_dialects import VIEWS, View, same
from workers.context import JobContext

ARGS = {"text": "è done"}
FAILURE = "It was told to fail."


class Text(Schema):
    """What it gives back."""

    text = fields.String()


class Orders:
    """What a job of the type `obedient` waits for."""

    def __init__(self) -> None:
        self.to_end: asyncio.Future[bool] = asyncio.get_running_loop().create_future()


orders: list[Orders] = []


@job_type("obedient", params=Text)
async def obedient(context: JobContext) -> dict[str, Any]:
    """Go half of the way, and end as the test says."""
    context.progress(50, "half of the way", status_text="Obeying")
    if not await orders[-1].to_end:
        raise JobFailed("told", FAILURE)
    return context.args


@pytest.fixture
def job_types() -> JobTypes:
    """The types that ship, and the one of this test."""
    return JobTypes([*load_job_types().values(), obedient, odd_jobs.steps])


class Seen:
    """A job in the native view and in those of all dialects; `made_in` is the one that moves it."""

    def __init__(self, api: ClientSession, made_in: str, job_id: str = "") -> None:
        self.api, self.id = api, job_id
        self.views = {name: view(api) for name, view in VIEWS.items()}
        self.own: View = self.views[made_in]

    async def submit(self) -> None:
        self.id = await self.own.submit("obedient", ARGS)

    async def everywhere(self, status: str) -> dict[str, Any]:
        """The native job, which all views show as it is."""
        natives = [await same(view, self.api, self.id, status) for view in self.views.values()]
        assert all(native == natives[0] for native in natives)
        return natives[0]

    async def nowhere(self) -> None:
        """It is gone from all views."""
        assert (await ask(self.api, "GET", f"/api/jobs/{self.id}")).status == 404
        assert {name: await view.word(self.id) for name, view in self.views.items()} == dict.fromkeys(VIEWS)

    async def native(self, move: str) -> None:
        assert (await ask(self.api, "POST", f"/api/jobs/{self.id}/{move}")).status in (200, 202)

    async def half_of_the_way(self) -> None:
        """It runs, and all see how far it has come."""
        async with asyncio.timeout(15):
            while (await job(self.api, self.id))["percent_completed"] != 50:
                await asyncio.sleep(0.02)
        native = await self.everywhere("running")
        assert (native["running_output"], native["status_text"]) == ("half of the way", "Obeying")


@pytest.mark.parametrize("name", VIEWS)
async def test_all_see_the_whole_life_of_a_job(
    api: ClientSession, settings: Settings, job_types: JobTypes, name: str
) -> None:
    seen = Seen(api, name)

    @asynccontextmanager
    async def running() -> AsyncIterator[asyncio.Future[bool]]:
        orders.append(Orders())
        async with running_worker(settings, job_types):
            await seen.half_of_the_way()
            yield orders[-1].to_end

    await seen.submit()
    native = await seen.everywhere("pending")
    assert (native["type"], native["args"]) == ("obedient", ARGS)
    await seen.native("suspend")
    await seen.everywhere("suspended")
    await seen.native("resume")
    await seen.everywhere("pending")
    async with running() as to_end:
        to_end.set_result(True)
        await until(api, seen.id, "finished")
    assert (await seen.everywhere("finished"))["output"] == '{"text":"è done"}'
    await seen.own.rerun(seen.id)
    assert (await seen.everywhere("pending"))["run"] == 2
    async with running() as to_end:
        to_end.set_result(False)
        await until(api, seen.id, "failed")
    assert (await seen.everywhere("failed"))["output"] == FAILURE
    await seen.own.rerun(seen.id)
    async with running():
        await seen.own.cancel(seen.id)
        await until(api, seen.id, "cancelled")
    assert (await seen.everywhere("cancelled"))["run"] == 3
    await seen.own.remove(seen.id)
    await seen.nowhere()


@pytest.mark.parametrize("name", VIEWS)
async def test_a_job_that_went_in_another_way_is_gone_for_all(
    api: ClientSession, pool: asyncpg.Pool, name: str
) -> None:
    for way in ("action", "purge"):
        seen = Seen(api, name)
        await seen.submit()
        await seen.native("cancel")
        await seen.everywhere("cancelled")
        if way == "action":
            asked = {"action": "delete", "ids": [seen.id]}
            assert (await ask(api, "POST", "/api/jobs/actions", json=asked)).status == 200
        else:
            past = {"purge_at": "2020-01-01T00:00:00Z"}
            assert (await ask(api, "PATCH", f"/api/jobs/{seen.id}", json=past)).status == 200
            async with pool.acquire() as connection:
                await purge_batch(connection, None)
        await seen.nowhere()
