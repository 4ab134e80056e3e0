"""Alteryx: workflows are job definitions; lists of jobs; outputs."""

import io
from typing import Any

import asyncpg
import pytest
from aiohttp import ClientSession
from openpyxl import load_workbook
from pyarrow import parquet

from alteryx_asking import JOBS, ask_alteryx, make_workflow, run_workflow, workflow_path
from asking import ask, key_for, put_into
from running import Submit, until
from service.jobs.states import Status

LISTED = {"id", "createDate", "status", "priority", "workerTag", "runWithE2"}


async def ids(api: ClientSession, path: str, **query: Any) -> list[str]:
    """The ids of a list, in its order."""
    listed = await ask_alteryx(api, "GET", path, params=query)
    assert listed.status == 200, listed
    assert all(one.keys() == LISTED for one in listed.body)
    return [one["id"] for one in listed.body]


async def test_questions_become_what_the_params_are(api: ClientSession) -> None:
    await make_workflow(api, "slow", "sleep", args={"steps": 3})
    asked = {"name": "seconds", "value": "0.5"}, {"name": "fail", "value": "True"}
    body = {"workerTag": "gpu", "credentialId": "x", "questions": asked, "priority": "Critical", "odd": 1}
    made = (await ask_alteryx(api, "POST", workflow_path("slow"), json=body)).body
    assert (made["priority"], made["workerTag"], made["messages"]) == ("Critical", "gpu", [])
    job = (await ask(api, "GET", f"/api/jobs/{made['id']}")).body
    assert job["args"] == {"steps": 3, "seconds": 0.5, "fail": True}
    assert (job["definition"], job["priority"], job["worker_tag"]) == ("slow", "critical", "gpu")


async def test_an_empty_worker_tag_is_none_even_where_the_workflow_has_one(api: ClientSession) -> None:
    await make_workflow(api, "tagged", worker_tag="gpu")
    for body, shown in (({}, "gpu"), ({"workerTag": None}, "gpu"), ({"workerTag": ""}, "")):
        made = (await ask_alteryx(api, "POST", workflow_path("tagged"), json=body)).body
        assert made["workerTag"] == shown
        assert (await ask(api, "GET", f"/api/jobs/{made['id']}")).body["worker_tag"] == (shown or None)
    bare = await ask_alteryx(api, "POST", workflow_path("tagged"))
    assert bare.status == 200


@pytest.mark.parametrize(
    "body",
    [
        [],
        "x",
        {"questions": "x"},
        {"questions": [1]},
        {"questions": [{"value": "x"}]},
        {"questions": [{"name": 1, "value": "x"}]},
        {"questions": [{"name": "seconds", "value": "soon"}]},
        {"questions": [{"name": "nothing", "value": "x"}]},
        {"priority": "Urgent"},
        {"priority": 1},
        {"workerTag": "a b"},
        {"workerTag": 1},
    ],
)
async def test_a_wrong_body_is_a_400_and_makes_nothing(api: ClientSession, body: Any) -> None:
    await make_workflow(api, "slow", "sleep")
    assert (await ask_alteryx(api, "POST", workflow_path("slow"), json=body)).status == 400
    assert (await ask(api, "GET", "/api/jobs")).body["jobs"] == []


async def test_a_workflow_that_is_not_there_is_a_404(api: ClientSession) -> None:
    for path in (workflow_path("none"), workflow_path("%00")):
        assert (await ask_alteryx(api, "GET", path)).status == 404
        assert (await ask_alteryx(api, "POST", path, json={})).status == 404


async def test_filters_of_all_jobs(api: ClientSession, submit: Submit, pool: asyncpg.Pool) -> None:
    await make_workflow(api, "one", name="The first")
    made = {status: (await submit(priority="high"))["id"] for status in Status}
    for status, job_id in made.items():
        await put_into(pool, job_id, status)
    ours = await run_workflow(api, "one", priority="Low")
    theirs = await run_workflow(api, "one", await key_for(api, "olga", "curator"))
    everything = [theirs, ours, *list(made.values())[::-1]]
    assert await ids(api, JOBS) == everything
    assert await ids(api, JOBS, allUsers="true", users="olga", unknown="x") == everything
    assert await ids(api, JOBS, allUsers="false") == everything[1:]
    assert await ids(api, JOBS, users="olga") == [theirs]
    for name in ("one", "The first"):
        assert await ids(api, JOBS, workflowNames=name) == [theirs, ours]
    assert await ids(api, JOBS, workflowNames="none") == []
    assert await ids(api, JOBS, priorities="Low") == [ours]
    assert await ids(api, f"{JOBS}?priorities=Low&priorities=high") == everything[1:]
    assert set(await ids(api, JOBS, statuses="Queued")) == {
        theirs,
        ours,
        made[Status.PENDING],
        made[Status.SUSPENDED],
    }
    assert await ids(api, JOBS, statuses="Running") == [made[Status.RUNNING]]
    assert await ids(api, JOBS, statuses="Cancelled") == [made[Status.CANCELLED]]
    ended = {made[Status.FINISHED], made[Status.FAILED]}
    assert (
        set(await ids(api, JOBS, statuses="Complete"))
        == set(await ids(api, JOBS, statuses="completed"))
        == ended
    )
    ends = {made[status] for status in (Status.FINISHED, Status.FAILED, Status.CANCELLED)}
    assert set(await ids(api, JOBS, completedAfter="2020-01-01T00:00:00Z")) == ends
    assert await ids(api, JOBS, completedBefore="2020-01-01T00:00:00Z") == []


async def test_filters_of_a_workflows_jobs(api: ClientSession, pool: asyncpg.Pool) -> None:
    await make_workflow(api, "one")
    await make_workflow(api, "two")
    made = {status: await run_workflow(api, "one") for status in Status}
    for status, job_id in made.items():
        await put_into(pool, job_id, status)
    await run_workflow(api, "two")
    path = workflow_path("one")
    assert await ids(api, path) == list(made.values())[::-1]
    assert await ids(api, path, status="Completed", resultCode="Error") == [made[Status.FAILED]]
    assert await ids(api, path, resultCode="Success") == [made[Status.FINISHED]]
    assert set(await ids(api, path, resultCode="None", status="Queued")) == {
        made[Status.PENDING],
        made[Status.SUSPENDED],
    }
    assert await ids(api, path, status="Running", resultCode="Error") == []


async def test_parts_of_a_list_in_each_order(api: ClientSession, submit: Submit) -> None:
    words = ["low", "critical", "default", "high", "medium"]
    made = [(await submit(priority=word))["id"] for word in words]
    assert await ids(api, JOBS, sortField="createDate") == made
    assert await ids(api, JOBS, sortField="CreateDateTime", direction="Desc") == made[::-1]
    assert await ids(api, JOBS, direction="asc") == made
    assert await ids(api, JOBS, sortField="id", direction="asc", offset=1, limit=2) == made[1:3]
    up = [made[place] for place in (0, 2, 4, 3, 1)]
    assert await ids(api, JOBS, sortField="priority") == up
    assert await ids(api, JOBS, sortField="priority", direction="desc", limit=2) == up[:-3:-1]
    assert await ids(api, JOBS, offset=5) == []
    assert len(await ids(api, JOBS, sortField="status")) == 5


@pytest.mark.parametrize(
    "query",
    [
        "sortField=odd", "direction=up", "limit=0", "limit=1001", "limit=x", "offset=-1", "statuses=odd",
        "statuses=Queued,odd", "priorities=odd", "allUsers=2", "completedAfter=soon", "completedBefore=2024",
        "users=%00", "limit=1&limit=2", "priorities=",
    ],
)  # fmt: skip
async def test_a_wrong_parameter_is_a_400(api: ClientSession, query: str) -> None:
    assert (await ask_alteryx(api, "GET", f"{JOBS}?{query}")).status == 400


async def test_outputs_are_downloaded_in_their_formats(
    api: ClientSession, submit: Submit, pool: asyncpg.Pool, worker: object
) -> None:
    made = await submit()
    await until(api, made["id"], "finished")
    stored = await ask(
        api, "POST", "/api/attachments?name=out.csv", data=b"a,b\n1,2\n", headers={"Content-Type": "text/csv"}
    )
    output = await pool.fetchval(
        """INSERT INTO outputs (id, job_id, tenant_id, run, position, file_id, available_formats)
           VALUES (gen_random_uuid(), $1, 1, 1, 0, $2, '{csv,xlsx,json,parquet}') RETURNING id""",
        made["id"],
        stored.body["id"],
    )
    path = f"/webapi/v1/jobs/{made['id']}/output/{output}"
    for query in ("", "?format=", "?format=Raw", "?format=CSV&odd=1"):
        async with api.get(path + query) as response:
            assert (response.status, await response.read()) == (200, b"a,b\n1,2\n")
            assert response.headers["Content-Disposition"] == 'attachment; filename="out.csv"'
    converted = await ask_alteryx(api, "GET", f"{path}?format=json")
    assert (converted.status, converted.body) == (200, [{"a": 1, "b": 2}])
    async with api.get(f"{path}?format=xlsx") as response:
        assert response.status == 200
        sheet = load_workbook(io.BytesIO(await response.read())).active
    assert [[cell.value for cell in row] for row in sheet.rows] == [["a", "b"], [1, 2]]
    async with api.get(f"{path}?format=Parquet") as response:
        assert response.status == 200
        assert parquet.read_table(io.BytesIO(await response.read())).to_pylist() == [{"a": 1, "b": 2}]
    async with api.get(path, headers={"Range": "bytes=0-2"}) as part:
        assert (part.status, await part.read()) == (206, b"a,b")
    assert (await ask_alteryx(api, "GET", f"{path}?format=pdf")).status == 400
    assert (await ask_alteryx(api, "GET", f"/webapi/v1/jobs/{made['id']}/output/{made['id']}")).status == 404
    user = await key_for(api, "ugo", "user")
    assert (await ask_alteryx(api, "GET", path, headers=user)).status == 404
