"""Cancel, suspend, resume, rerun and delete: every move from every state."""

from typing import Any

import asyncpg
import pytest
from aiohttp import ClientSession

import odd_jobs
import picky_jobs
from asking import ask, put_into
from running import Submit, until
from service.jobs.jobtype import JobTypes

STATES = ("pending", "suspended", "running", "finished", "failed", "cancelled")
MOVES: dict[str, dict[str, tuple[int, str]]] = {
    "cancel": {"pending": (200, "cancelled"), "suspended": (200, "cancelled"), "running": (202, "running")},
    "suspend": {"pending": (200, "suspended")},
    "resume": {"suspended": (200, "pending")},
    "rerun": {"finished": (200, "pending"), "failed": (200, "pending"), "cancelled": (200, "pending")},
}


@pytest.fixture
def job_types() -> JobTypes:
    """One that can be run again, and one that can't."""
    return JobTypes([odd_jobs.echo, odd_jobs.steps, odd_jobs.large, picky_jobs.picky])


async def test_every_move_from_every_state(api: ClientSession, submit: Submit, pool: asyncpg.Pool) -> None:
    for move, allowed in MOVES.items():
        for status in STATES:
            path = f"/api/jobs/{(await submit())['id']}"
            await put_into(pool, path[-36:], status)
            answer = await ask(api, "POST", f"{path}/{move}")
            if status in allowed:
                assert (answer.status, answer.body["status"]) == allowed[status], (move, status)
                assert answer.headers["ETag"] == '"3"'
                assert answer.body == (await ask(api, "GET", path)).body
                assert ("Retry-After" in answer.headers) == (answer.body["status"] != "cancelled")
                assert answer.body["cancel_requested"] == (move == "cancel")
            else:
                assert (answer.status, answer.body["code"]) == (409, "wrong_state"), (move, status)
                assert f"the job is {status}" in answer.body["detail"]
                assert all(one in answer.body["detail"] for one in allowed)
                assert (await ask(api, "GET", path)).headers["ETag"] == '"2"'


async def test_delete_removes_all_but_a_running_job(
    api: ClientSession, submit: Submit, pool: asyncpg.Pool
) -> None:
    for status in STATES:
        path = f"/api/jobs/{(await submit(idempotency_key=status))['id']}"
        await put_into(pool, path[-36:], status)
        answer = await ask(api, "DELETE", path)
        if status == "running":
            assert (answer.status, answer.body["code"]) == (409, "wrong_state")
            assert "running" in answer.body["detail"]
            continue
        assert (answer.status, answer.text) == (204, "")
        assert "Content-Type" not in answer.headers
        assert (await ask(api, "GET", path)).status == 404
        assert (await ask(api, "DELETE", path)).status == 404
        assert (await submit(idempotency_key=status))["id"] != path[-36:]


async def test_a_rerun_keeps_id_and_link_and_clears_the_former_run(
    api: ClientSession, submit: Submit, worker: Any
) -> None:
    made = await submit("large", run_at="2020-01-01T00:00:00Z", expires_in=3_600)
    first = await until(api, made["id"], "finished")
    answer = await ask(api, "POST", f"/api/jobs/{made['id']}/rerun", json={"as_new": False})
    again = answer.body
    assert (answer.status, again["id"], again["run"], again["run_at"]) == (200, made["id"], 2, None)
    assert (again["output"], again["outputs"], again["terminated_at"], again["error"]) == (
        None,
        [],
        None,
        None,
    )
    second = await until(api, made["id"], "finished")
    assert second["publish_link"] == first["publish_link"]
    attempts = (await ask(api, "GET", f"/api/jobs/{made['id']}/attempts")).body["attempts"]
    assert [(one["run"], one["attempt"], one["claim"], one["outcome"]) for one in attempts] == [
        (1, 1, 1, "finished"),
        (2, 1, 2, "finished"),
    ]
    assert list(attempts[0]) == [
        "run",
        "attempt",
        "claim",
        "worker",
        "started_at",
        "ended_at",
        "outcome",
        "error",
    ]


async def test_a_rerun_as_new_is_another_job_with_the_same_request(
    api: ClientSession, submit: Submit, pool: asyncpg.Pool
) -> None:
    asked = {
        "args": {"a": 1},
        "labels": {"x": "y"},
        "priority": "low",
        "description": "d",
        "correlation_id": "c",
    }
    made = await submit(**asked, attachment={"file": "YQ==", "name": "a.csv"}, idempotency_key="k")
    await put_into(pool, made["id"], "failed")
    answer = await ask(api, "POST", f"/it/api/jobs/{made['id'].upper()}/rerun", json={"as_new": True})
    assert answer.status == 201
    new = answer.body
    assert answer.headers["Location"] == f"/it/api/jobs/{new['id']}"
    assert new == (await ask(api, "GET", answer.headers["Location"])).body
    assert new["id"] != made["id"]
    assert (new["run"], new["status"], new["idempotency_key"], new["version"]) == (1, "pending", None, 1)
    assert {name: new[name] for name in asked} == asked
    assert new["attachment"] == made["attachment"]
    assert (await ask(api, "DELETE", f"/api/jobs/{made['id']}")).status == 204
    async with api.get(f"/api/jobs/{new['id']}/attachment") as response:
        assert await response.read() == b"a"


async def test_what_may_not_run_again_does_not(
    api: ClientSession, submit: Submit, pool: asyncpg.Pool
) -> None:
    for status in STATES:
        path = f"/api/jobs/{(await submit(can_rerun=False))['id']}"
        await put_into(pool, path[-36:], status)
        for how in ({}, {"json": {"as_new": True}}):
            answer = await ask(api, "POST", f"{path}/rerun", **how)
            assert (answer.status, answer.body["code"]) == (409, "wrong_state")
            assert ("can_rerun" in answer.body["detail"]) == (status in MOVES["rerun"])
            assert status in answer.body["detail"]
        if status in MOVES["cancel"]:  # the other moves do not mind
            assert (await ask(api, "POST", f"{path}/cancel")).status in (200, 202)


async def test_moves_take_no_query_and_a_rerun_no_strange_body(api: ClientSession, submit: Submit) -> None:
    path = f"/api/jobs/{(await submit())['id']}"
    for move in MOVES:
        assert (await ask(api, "POST", f"{path}/{move}?force=true")).status == 400
    assert (await ask(api, "DELETE", f"{path}?force=true")).status == 400
    for body, status in (({"as_new": "yes"}, 422), ({"as": 1}, 422), ([], 422)):
        assert (await ask(api, "POST", f"{path}/rerun", json=body)).status == status
    as_json = {"Content-Type": "application/json"}
    assert (await ask(api, "POST", f"{path}/rerun", data=b"{", headers=as_json)).status == 400


async def test_each_move_is_in_the_audit_with_what_was_and_is(
    api: ClientSession, submit: Submit, pool: asyncpg.Pool
) -> None:
    path = f"/api/jobs/{(await submit())['id']}"
    for move in ("suspend", "resume", "cancel", "rerun"):
        assert (await ask(api, "POST", f"{path}/{move}", headers={"X-Request-Id": move})).status == 200
    assert (await ask(api, "DELETE", path)).status == 204
    rows = await pool.fetch(
        "SELECT action, request_id, changes->'status'->>0, changes->'status'->>1 FROM audit"
        " WHERE object_id = $1 ORDER BY id",
        path[-36:],
    )
    assert rows[0][0] == "create"
    assert [tuple(row) for row in rows[1:-1]] == [
        ("suspend", "suspend", "pending", "suspended"),
        ("resume", "resume", "suspended", "pending"),
        ("cancel", "cancel", "pending", "cancelled"),
        ("rerun", "rerun", "cancelled", "pending"),
    ]
    assert tuple(rows[-1])[0::2] == ("delete", "pending")
