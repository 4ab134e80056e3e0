"""Retention: what each kind lets go of and what it leaves, in batches, and a rerun that comes in between."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from aiohttp import ClientSession

from asking import ask, key_for, other_tenant
from running import job, running_worker, until
from service.jobs.jobtype import JobTypes
from service.jobs.purge import KINDS, Purged, purge_batch
from service.settings import Settings

Submit = Callable[..., Awaitable[dict[str, Any]]]
AGE = "UPDATE jobs SET terminated_at = terminated_at - make_interval(days => $2) WHERE id = $1"


async def purge(pool: asyncpg.Pool, limit: int = 200) -> dict[str, int]:
    """Purge as a worker does, until nothing is left."""
    counts = dict.fromkeys(KINDS, 0)
    more = True
    while more:
        async with pool.acquire() as connection, connection.transaction():
            purged: Purged = await purge_batch(connection, None, limit)
        more = purged.more
        counts = {kind: counts[kind] + purged.counts[kind] for kind in KINDS}
    return counts


async def keep(api: ClientSession, **days: int | None) -> None:
    answer = await ask(api, "PATCH", "/api/tenant", json={"retention": days})
    assert answer.status == 200, answer


async def would(api: ClientSession) -> dict[str, Any]:
    answer = await ask(api, "POST", "/api/tenant/purge", json={"dry_run": True})
    assert answer.status == 200, answer
    return {kind: answer.body[kind]["count"] for kind in KINDS}


@pytest.fixture
async def old(
    api: ClientSession, settings: Settings, job_types: JobTypes, submit: Submit, pool: asyncpg.Pool
) -> dict[str, Any]:
    """A job that ended ten days ago, with messages, an attachment and two outputs; no worker purges meanwhile."""
    made = await submit("large", attachment={"file": "aGVsbG8=", "name": "hello.txt"})
    async with running_worker(settings, job_types):
        await until(api, made["id"], "finished")
    await pool.execute(
        "INSERT INTO job_messages SELECT $1, 1000 + n, now(), 'info', 'x' FROM generate_series(1, 3) AS n",
        made["id"],
    )
    await pool.execute(AGE, made["id"], 10)
    return await job(api, made["id"])


async def test_without_a_retention_nothing_ever_goes(
    api: ClientSession, old: dict[str, Any], pool: asyncpg.Pool
) -> None:
    assert await would(api) == dict.fromkeys(KINDS, 0)
    assert await purge(pool) == dict.fromkeys(KINDS, 0)
    assert await job(api, old["id"]) == old


async def test_messages_go_and_all_else_stays(
    api: ClientSession, old: dict[str, Any], pool: asyncpg.Pool
) -> None:
    await keep(api, messages=11)
    assert (await purge(pool))["messages"] == 0
    await keep(api, messages=9)
    assert (await would(api))["messages"] == 3
    assert (await purge(pool))["messages"] == 3
    assert (await ask(api, "GET", f"/api/jobs/{old['id']}/messages")).body == {"messages": []}
    assert await job(api, old["id"]) == old
    assert (await purge(pool))["messages"] == 0


async def test_an_attachment_goes_with_its_bytes_and_its_job_can_run_no_more(
    api: ClientSession,
    old: dict[str, Any],
    pool: asyncpg.Pool,
    tmp_path: Any,
    settings: Settings,
    job_types: JobTypes,
) -> None:
    await keep(api, attachments=9)
    report = await ask(api, "POST", "/api/tenant/purge", json={"dry_run": True})
    assert report.body["attachments"] == {"count": 1, "bytes": 5}
    assert (await purge(pool))["attachments"] == 1
    now = await job(api, old["id"])
    assert (now["can_rerun"], now["version"] > old["version"], len(now["outputs"])) == (False, True, 2)
    assert (await ask(api, "GET", f"/api/jobs/{old['id']}/attachment")).status == 404
    refused = await ask(api, "POST", f"/api/jobs/{old['id']}/rerun")
    assert (refused.status, refused.body["code"]) == (409, "wrong_state")
    async with running_worker(settings, job_types), asyncio.timeout(10):  # its sweep takes row and bytes
        while await pool.fetchval("SELECT count(*) FROM files") > 2:
            await asyncio.sleep(0.05)
    assert len([one for one in (tmp_path / "files").rglob("*") if one.is_file() and one.stat().st_size]) == 2


async def test_outputs_go_and_the_jobs_link_is_over(
    api: ClientSession, old: dict[str, Any], pool: asyncpg.Pool, settings: Settings, job_types: JobTypes
) -> None:
    await keep(api, outputs=9)
    assert (await would(api))["outputs"] == 2
    assert (await purge(pool))["outputs"] == 2
    now = await job(api, old["id"])
    assert (now["outputs"], now["can_rerun"], now["version"] > old["version"]) == ([], True, True)
    assert (await ask(api, "GET", old["publish_link"])).status == 410
    assert (await ask(api, "POST", f"/api/jobs/{old['id']}/rerun")).status == 200
    async with running_worker(settings, job_types):
        again = await until(api, old["id"], "finished")
    assert len(again["outputs"]) == 2
    async with api.get(again["publish_link"]) as response:
        assert response.status == 200


async def test_a_job_goes_with_all_that_is_its_and_frees_its_key(
    api: ClientSession, old: dict[str, Any], pool: asyncpg.Pool
) -> None:
    await keep(api, jobs=9)
    assert (await would(api))["jobs"] == 1
    assert (await purge(pool))["jobs"] == 1
    assert (await ask(api, "GET", f"/api/jobs/{old['id']}")).status == 404
    assert await pool.fetchval("SELECT count(*) FROM job_messages") == 0
    assert await pool.fetchval("SELECT count(*) FROM files WHERE expires_at IS NULL") == 0


async def test_the_end_of_a_job_says_when_it_and_its_outputs_will_go(
    api: ClientSession, worker: asyncio.Event, submit: Submit, pool: asyncpg.Pool
) -> None:
    await keep(api, jobs=30, outputs=7)
    made = await submit("large")
    ended = await until(api, made["id"], "finished")
    row = await pool.fetchrow("SELECT terminated_at, purge_at FROM jobs")
    assert row is not None
    assert (row["purge_at"] - row["terminated_at"]).days == 30
    assert ended["purge_at"] is not None
    expires = await pool.fetch("SELECT expires_at - created_at AS after FROM outputs")
    assert {one["after"].days for one in expires} == {7}
    assert all(one["expires_at"] for one in ended["outputs"])


async def test_a_time_that_was_set_by_hand_goes_before_retention(
    api: ClientSession, old: dict[str, Any], pool: asyncpg.Pool
) -> None:
    changed = await ask(api, "PATCH", f"/api/jobs/{old['id']}", json={"purge_at": "2099-01-01T00:00:00Z"})
    assert changed.status == 200
    await keep(api, jobs=1)
    assert await would(api) == dict.fromkeys(KINDS, 0)
    assert (await purge(pool))["jobs"] == 0
    await ask(api, "PATCH", f"/api/jobs/{old['id']}", json={"purge_at": "2020-01-01T00:00:00Z"})
    assert (await purge(pool))["jobs"] == 1


async def test_batches_are_bounded_and_jobs_of_one_moment_are_all_found(
    api: ClientSession, pool: asyncpg.Pool, old: dict[str, Any], settings: Settings, job_types: JobTypes
) -> None:
    await ask(api, "POST", "/api/jobs/batch", json=[{"type": "steps"}] * 30)
    async with running_worker(settings, job_types), asyncio.timeout(20):
        while await pool.fetchval("SELECT count(*) FROM jobs WHERE terminated_at IS NULL"):
            await asyncio.sleep(0.05)
    await pool.execute("UPDATE jobs SET terminated_at = now() - interval '20 days' WHERE type = 'steps'")
    messages = await pool.fetchval("SELECT count(*) FROM job_messages")
    await keep(api, messages=5, jobs=5)
    async with pool.acquire() as connection, connection.transaction():
        purged = await purge_batch(connection, None, 4)
    assert (purged.counts["jobs"], purged.more) == (4, True)
    counts = await purge(pool, 4)
    assert (counts["jobs"], counts["messages"]) == (27, 3), "31 jobs in all, oldest first"
    assert purged.counts["messages"] == messages - 3


async def test_one_tenants_retention_does_not_touch_another(
    api: ClientSession, old: dict[str, Any], pool: asyncpg.Pool
) -> None:
    theirs = await other_tenant(api)
    days = {"retention": dict.fromkeys(KINDS, 1)}
    assert (await ask(api, "PATCH", "/api/tenant", headers=theirs, json=days)).status == 200
    for asked in ({"dry_run": True}, {}):
        answer = await ask(api, "POST", "/api/tenant/purge", headers=theirs, json=asked)
        assert [answer.body[kind]["count"] for kind in KINDS] == [0] * 4
    assert await purge(pool) == dict.fromkeys(KINDS, 0)
    assert await job(api, old["id"]) == old


async def test_an_admin_may_purge_now_and_nobody_else(
    api: ClientSession, old: dict[str, Any], pool: asyncpg.Pool
) -> None:
    await keep(api, messages=1, outputs=1)
    curator = await key_for(api, "anna", "curator")
    for asked in ({"dry_run": True}, {}):
        assert (await ask(api, "POST", "/api/tenant/purge", headers=curator, json=asked)).status == 403
    assert (await ask(api, "POST", "/api/tenant/purge", json={"dry": 1})).status == 422
    counted = await would(api)
    assert (await job(api, old["id"]))["outputs"], "a dry run takes nothing"
    answer = await ask(api, "POST", "/api/tenant/purge")
    assert {kind: answer.body[kind]["count"] for kind in KINDS} == counted
    assert (answer.body["dry_run"], counted["messages"], counted["outputs"]) == (False, 3, 2)
    assert (await would(api))["outputs"] == 0


@pytest.mark.parametrize("kind", KINDS)
async def test_a_rerun_that_comes_before_the_purge_keeps_everything(
    api: ClientSession, old: dict[str, Any], pool: asyncpg.Pool, kind: str
) -> None:
    await keep(api, **{kind: 1})
    again = """UPDATE jobs SET status = 'pending', terminated_at = NULL, percent_completed = 0, run = run + 1,
                               version = version + 1,
                               due_at = now() + interval '1 hour' WHERE id = $1"""

    async def purged() -> Purged:
        async with pool.acquire() as connection, connection.transaction():
            return await purge_batch(connection, None)

    async with asyncio.TaskGroup() as tasks, pool.acquire() as connection, connection.transaction():
        await connection.execute(again, UUID(old["id"]))
        racing = tasks.create_task(purged())
        await asyncio.wait({racing}, timeout=0.3)  # it waits for the job, or passes it by
    assert racing.result().counts == dict.fromkeys(KINDS, 0)
    now = await job(api, old["id"])
    assert (now["status"], now["can_rerun"]) == ("pending", True)
    left = "SELECT (SELECT count(*) FROM job_messages), (SELECT count(*) FROM outputs)"
    assert tuple(await pool.fetchrow(left) or ()) == (3, 2)
    assert (await ask(api, "GET", f"/api/jobs/{old['id']}/attachment")).status == 200
