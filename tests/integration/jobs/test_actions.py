"""One act on many jobs."""

from typing import Any

import asyncpg
import pytest
from aiohttp import ClientSession

from running import Submit, job


async def act(api: ClientSession, **body: Any) -> tuple[int, dict[str, Any]]:
    async with api.post("/api/jobs/actions", json=body) as response:
        return response.status, await response.json()


async def test_each_job_is_told_apart(api: ClientSession, submit: Submit) -> None:
    waiting, held = await submit("steps"), await submit("steps")
    await act(api, action="suspend", ids=[held["id"]])
    unknown = "01a20308-bcf0-745b-bec2-ab29e4cbb7ba"
    status, done = await act(api, action="suspend", ids=[waiting["id"], held["id"], unknown, "no uuid"])
    assert status == 200
    assert done["matched"] == 2
    assert [(one["id"], one["status"]) for one in done["results"]] == [
        (waiting["id"], 200),
        (held["id"], 409),
        (unknown, 404),
        ("no uuid", 404),
    ]
    assert [one["problem"] and one["problem"]["code"] for one in done["results"]] == [
        None,
        "wrong_state",
        "not_found",
        "not_found",
    ]


@pytest.mark.parametrize(("action", "status"), [("cancel", "cancelled"), ("suspend", "suspended")])
async def test_a_filter_matches_what_the_list_would_show(
    api: ClientSession, submit: Submit, action: str, status: str
) -> None:
    wanted = [await submit("steps", labels={"team": "a"}) for _ in range(3)]
    other = await submit("steps", labels={"team": "b"})
    query = {"status": ["pending"], "label.team": "a"}
    assert await act(api, action=action, filter=query, dry_run=True) == (200, {"matched": 3, "results": []})
    assert (await job(api, wanted[0]["id"]))["status"] == "pending"
    _, done = await act(api, action=action, filter=query)
    assert done["matched"] == 3
    assert {one["id"] for one in done["results"]} == {made["id"] for made in wanted}
    for made in wanted:
        assert (await job(api, made["id"]))["status"] == status
    assert (await job(api, other["id"]))["status"] == "pending"


async def test_deleting_by_filter_removes_and_is_audited(
    api: ClientSession, submit: Submit, pool: asyncpg.Pool
) -> None:
    for _ in range(5):
        await submit("steps")
    _, done = await act(api, action="delete", filter={"type": "steps"})
    assert [one["status"] for one in done["results"]] == [204] * 5
    assert await pool.fetchval("SELECT count(*) FROM jobs") == 0
    assert await pool.fetchval("SELECT count(*) FROM audit WHERE action = 'delete'") == 5


async def test_rerun_by_ids(api: ClientSession, submit: Submit) -> None:
    made = await submit("steps")
    await act(api, action="cancel", ids=[made["id"]])
    _, done = await act(api, action="rerun", ids=[made["id"]])
    assert [one["status"] for one in done["results"]] == [200]
    assert (await job(api, made["id"]))["run"] == 2


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"action": "explode", "ids": []}, 422),
        ({"action": "cancel"}, 422),
        ({"action": "cancel", "ids": [], "filter": {}}, 422),
        ({"action": "cancel", "filter": {"status": "lost"}}, 422),
        ({"action": "cancel", "filter": {"colour": "red"}}, 422),
        ({"action": "cancel", "filter": {"limit": 5}}, 422),
        ({"action": "cancel", "filter": {"status": {"a": 1}}}, 422),
        ({"action": "cancel", "ids": ["x"] * 1001}, 413),
    ],
)
async def test_bad_actions_are_refused(api: ClientSession, body: dict[str, Any], status: int) -> None:
    answered, problem = await act(api, **body)
    assert answered == status
    assert problem["code"] in {"invalid", "too_large"}
