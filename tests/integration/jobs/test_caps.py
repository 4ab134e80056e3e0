"""A tenant over its caps: refused by name, exactly, and nobody else with it."""

import asyncio
import base64
import io
from collections import Counter
from typing import Any

import asyncpg
from aiohttp import ClientSession

from asking import Answer, ask, other_tenant, put_into
from ledger import new_job
from running import until
from service.jobs.store import Decided, OverCap, insert_jobs_within_caps


async def cap(api: ClientSession, **caps: int | None) -> None:
    answer = await ask(api, "PATCH", "/api/tenant", json={"caps": caps})
    assert answer.status == 200, answer


async def create(api: ClientSession, **how: Any) -> Answer:
    return await ask(api, "POST", "/api/jobs", json={"type": "echo", **how.pop("job", {})}, **how)


def refused(answer: Answer, name: str) -> bool:
    """Whether a cap has refused it, and is named."""
    if answer.status != 429:
        return False
    assert answer.body["code"] == "cap_exceeded"
    assert name in answer.body["detail"]
    assert int(answer.headers["Retry-After"]) >= 1
    return True


async def test_over_the_cap_of_queued_jobs_creation_is_refused_until_one_leaves_the_queue(
    api: ClientSession, pool: asyncpg.Pool
) -> None:
    await cap(api, queued=2)
    first = await create(api)
    await create(api, job={"run_at": "2099-01-01T00:00:00Z"})
    assert refused(await create(api), "queued")
    await ask(api, "POST", f"/api/jobs/{first.body['id']}/suspend")  # held back, but still there
    assert refused(await create(api), "queued")
    await ask(api, "POST", f"/api/jobs/{first.body['id']}/cancel")
    assert (await create(api)).status == 201
    assert refused(await create(api), "queued")
    assert await pool.fetchval("SELECT count(*) FROM jobs") == 3
    await cap(api, queued=None)
    assert (await create(api)).status == 201


async def test_however_many_create_at_once_the_cap_is_filled_and_never_passed(
    api: ClientSession, pool: asyncpg.Pool
) -> None:
    await cap(api, queued=25)
    answers = await asyncio.gather(*(create(api) for _ in range(120)))
    assert Counter(one.status for one in answers) == {201: 25, 429: 95}
    assert await pool.fetchval("SELECT count(*) FROM jobs") == 25


async def test_however_many_processes_insert_at_once_the_cap_is_filled_and_never_passed(
    pool: asyncpg.Pool,
) -> None:
    await pool.execute("""UPDATE tenants SET caps = '{"queued": 21}'""")

    async def insert() -> list[Decided]:
        async with pool.acquire() as connection, connection.transaction():
            return await insert_jobs_within_caps(connection, [new_job() for _ in range(5)])

    decided = [one for many in await asyncio.gather(*(insert() for _ in range(8))) for one in many]
    assert sum(isinstance(one, OverCap) for one in decided) == 40 - 21
    assert await pool.fetchval("SELECT count(*) FROM jobs") == 21


async def test_in_a_batch_each_item_is_refused_for_itself(api: ClientSession) -> None:
    await cap(api, queued=3)
    answer = await ask(api, "POST", "/api/jobs/batch", json=[{"type": "echo"}] * 5)
    assert [one["status"] for one in answer.body] == [201] * 3 + [429] * 2
    assert answer.body[4]["problem"]["code"] == "cap_exceeded"
    assert "queued" in answer.body[4]["problem"]["detail"]


async def test_a_known_idempotency_key_is_answered_over_the_cap_too(
    api: ClientSession, pool: asyncpg.Pool
) -> None:
    await cap(api, queued=1)
    asked = [create(api, headers={"Idempotency-Key": "k"}) for _ in range(20)]
    answers = await asyncio.gather(*asked)
    assert Counter(one.status for one in answers) == {201: 1, 200: 19}
    assert refused(await create(api, headers={"Idempotency-Key": "other"}), "queued")
    await put_into(pool, answers[0].body["id"], "finished")
    assert (await create(api, headers={"Idempotency-Key": "other"})).status == 201


async def test_a_rerun_needs_room_in_the_queue(api: ClientSession, pool: asyncpg.Pool) -> None:
    made = await create(api)
    await put_into(pool, made.body["id"], "finished")
    await cap(api, queued=1)
    await create(api)
    again = f"/api/jobs/{made.body['id']}/rerun"
    assert refused(await ask(api, "POST", again), "queued")
    assert refused(await ask(api, "POST", again, json={"as_new": True}), "queued")
    acted = await ask(api, "POST", "/api/jobs/actions", json={"action": "rerun", "ids": [made.body["id"]]})
    assert acted.body["results"][0]["status"] == 429
    await cap(api, queued=2)
    assert (await ask(api, "POST", again)).status == 200


async def test_one_tenants_caps_do_not_touch_another(api: ClientSession) -> None:
    other = await other_tenant(api)
    await cap(api, queued=0, storage_bytes=0, waiters=0)
    assert refused(await create(api), "queued")
    theirs = await create(api, headers=other)
    assert theirs.status == 201
    assert (await ask(api, "POST", "/api/attachments?name=x", data=b"x", headers=other)).status == 201
    waited = await ask(api, "GET", f"/api/jobs/{theirs.body['id']}?wait=1", headers=other)
    assert waited.status == 200


async def test_over_the_cap_of_storage_no_file_comes_in_by_any_way(
    api: ClientSession, pool: asyncpg.Pool, tmp_path: Any
) -> None:
    await cap(api, storage_bytes=10)
    assert (await ask(api, "POST", "/api/attachments?name=a", data=b"1234567")).status == 201
    assert refused(await ask(api, "POST", "/api/attachments?name=b", data=b"1234"), "storage_bytes")
    packed = base64.b64encode(b"1234").decode()
    assert refused(await create(api, job={"attachment": {"file": packed}}), "storage_bytes")
    form = {"job": '{"type": "echo"}', "attachment": io.BytesIO(b"1234")}
    assert refused(await ask(api, "POST", "/api/jobs", data=form), "storage_bytes")
    made = await create(api)
    changed = await ask(api, "PATCH", f"/api/jobs/{made.body['id']}", json={"attachment": {"file": packed}})
    assert refused(changed, "storage_bytes")
    assert (await ask(api, "POST", "/api/attachments?name=c", data=b"123")).status == 201
    assert await pool.fetchval("SELECT sum(size) FROM files") == 10
    kept = [one for one in (tmp_path / "files").rglob("*") if one.is_file() and one.stat().st_size]
    assert sorted(one.stat().st_size for one in kept) == [3, 7], "the bytes of what was refused are gone"


async def test_however_many_upload_at_once_the_cap_of_storage_is_never_passed(
    api: ClientSession, pool: asyncpg.Pool
) -> None:
    await cap(api, storage_bytes=50)
    sent = (ask(api, "POST", "/api/attachments?name=x", data=b"1234567890") for _ in range(30))
    answers = await asyncio.gather(*sent)
    assert Counter(one.status for one in answers) == {201: 5, 429: 25}
    assert await pool.fetchval("SELECT sum(size) FROM files") == 50


async def test_a_job_whose_output_does_not_fit_fails_by_the_name_of_the_cap(
    api: ClientSession, worker: asyncio.Event, pool: asyncpg.Pool
) -> None:
    await cap(api, storage_bytes=1_000)
    small = await create(api, job={"type": "echo"})
    assert (await until(api, small.body["id"], "finished", "failed"))["status"] == "finished"
    made = await create(api, job={"type": "large"})
    ended = await until(api, made.body["id"], "finished", "failed")
    assert ended["error"] == {
        "code": "cap_exceeded",
        "message": "the output could not be kept: the tenant's cap storage_bytes of 1000 is reached",
        "retryable": False,
    }
    await cap(api, storage_bytes=3)
    made = await create(api, job={"type": "large"})
    ended = await until(api, made.body["id"], "finished", "failed")
    assert (ended["error"]["code"], ended["attempt"]) == ("cap_exceeded", 1)


async def test_over_the_cap_of_waiters_a_request_does_not_wait(api: ClientSession) -> None:
    made = await create(api)
    await cap(api, waiters=2)
    path = f"/api/jobs/{made.body['id']}?wait=30"
    async with asyncio.TaskGroup() as waiting:
        first = [waiting.create_task(ask(api, "GET", path)) for _ in range(2)]
        async with asyncio.timeout(10):
            while (await ask(api, "GET", "/api/me")).body["used"]["waiters"] < 2:
                await asyncio.sleep(0.01)
        assert refused(await ask(api, "GET", path), "waiters")
        async with api.get("/api/events") as response:
            assert response.status == 429
        await ask(api, "POST", f"/api/jobs/{made.body['id']}/cancel")
    assert [one.result().body["status"] for one in first] == ["cancelled"] * 2
