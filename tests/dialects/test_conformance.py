"""One life of a job through each dialect, compared at every step with what the native API shows."""

import pytest
from aiohttp import ClientSession

from asking import ask
from running import until
from service.app import DIALECTS
from service.jobs.states import Status
from views_of_dialects import VIEWS, View, same


def test_each_dialect_has_a_view() -> None:
    assert VIEWS.keys() == {dialect.name for dialect in DIALECTS}


@pytest.fixture(params=VIEWS)
def view(request: pytest.FixtureRequest, api: ClientSession) -> View:
    """A client of each dialect in turn."""
    return VIEWS[request.param](api)


async def test_waiting_held_back_cancelled_removed(api: ClientSession, view: View) -> None:
    job_id = await view.submit("echo", {"a": 1})
    native = await same(view, api, job_id, "pending")
    assert (native["type"], native["args"]) == ("echo", {"a": 1})
    assert (await ask(api, "POST", f"/api/jobs/{job_id}/suspend")).status == 200
    await same(view, api, job_id, "suspended")
    await view.cancel(job_id)
    await same(view, api, job_id, "cancelled")
    await view.remove(job_id)
    assert await view.word(job_id) is None
    assert (await ask(api, "GET", f"/api/jobs/{job_id}")).status == 404


async def test_finished_and_run_again(api: ClientSession, view: View, worker: object) -> None:
    job_id = await view.submit("echo", {"a": 1})
    await until(api, job_id, "finished")
    first = await same(view, api, job_id, "finished")
    await view.rerun(job_id)
    again = await until(api, job_id, "finished")
    await same(view, api, job_id, "finished")
    assert (first["run"], again["run"], again["id"]) == (1, 2, first["id"])


async def test_failed(api: ClientSession, view: View, worker: object) -> None:
    job_id = await view.submit("sleep", {"seconds": 0, "steps": 1, "fail": True})
    await until(api, job_id, "failed")
    native = await same(view, api, job_id, "failed")
    assert native["output"] == native["error"]["message"]


async def test_running_and_cancelled(api: ClientSession, view: View, worker: object) -> None:
    job_id = await view.submit("sleep", {"seconds": 600, "steps": 1})
    await until(api, job_id, "running")
    assert await view.word(job_id) == view.words[Status.RUNNING]
    await view.cancel(job_id)
    await until(api, job_id, "cancelled")
    await same(view, api, job_id, "cancelled")
