"""What is owed when a job ends: written by whatever ends it, in its transaction, and for nobody else."""

from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest
from aiohttp import ClientSession

from asking import ask
from ledger import add, claim, lose_lease, settle
from running import Submit
from service.jobs.endings import expire_unstarted, rescue_dead
from service.jobs.purge import purge_batch

MAIL = '{"emails": ["anna@example.org"], "on": ["finished", "failed", "cancelled"]}'


async def owed(pool: asyncpg.Pool, job_id: str | UUID) -> list[tuple[str, str]]:
    rows = await pool.fetch("SELECT kind, target FROM outbox WHERE job_id = $1 ORDER BY kind, target", job_id)
    return [(row["kind"], row["target"]) for row in rows]


async def end(pool: asyncpg.Pool, status: str, **request: Any) -> UUID:
    """A job that has ended; `request` are columns of job_requests."""
    job_id = await add(pool, created_by=request.pop("created_by", "admin"))
    for column, value in request.items():
        text = value if isinstance(value, str) else orjson.dumps(value).decode()
        await pool.execute(f"UPDATE job_requests SET {column} = $2 WHERE job_id = $1", job_id, text)
    row = await claim(pool, job_id)
    assert row is not None
    assert await settle(pool, row, status)
    return job_id


async def endpoint(pool: asyncpg.Pool, url: str, *statuses: str, tenant_id: int = 1) -> None:
    await pool.execute(
        "INSERT INTO webhook_endpoints (id, tenant_id, url, statuses, created_by) VALUES ($1, $2, $3, $4, 'x')",
        uuid4(),
        tenant_id,
        url,
        list(statuses),
    )


async def test_each_address_and_the_webhook_are_owed_one_notice_each(pool: asyncpg.Pool) -> None:
    notify = {"emails": ["b@example.org", "A@example.org", "a@example.org"], "on": ["finished"],
              "webhook_url": "https://Example.org:8443/hook?x"}  # fmt: skip
    job_id = await end(pool, "finished", notify=notify)
    rows = await pool.fetch("SELECT * FROM outbox ORDER BY circuit, target")
    assert [row["circuit"] for row in rows] == ["1 https://example.org:8443", "smtp", "smtp"]
    assert [row["target"].lower() for row in rows[1:]] == ["a@example.org", "b@example.org"]
    assert len({row["id"] for row in rows}) == 3
    assert {orjson.loads(row["job"])["id"] for row in rows} == {str(job_id)}
    assert {(row["state"], row["tries"], row["lease_id"]) for row in rows} == {("pending", 0, None)}


@pytest.mark.parametrize("status", ["finished", "failed", "cancelled"])
async def test_only_the_ends_that_were_asked_for_are_told(pool: asyncpg.Pool, status: str) -> None:
    notify = {"emails": ["a@example.org"], "on": [status], "webhook_url": "https://example.org"}
    for ends in ("finished", "failed", "cancelled"):
        job_id = await end(pool, ends, notify=notify)
        assert len(await owed(pool, job_id)) == (2 if ends == status else 0)


async def test_a_job_without_notices_owes_none(pool: asyncpg.Pool) -> None:
    await end(pool, "finished")
    await end(pool, "failed", options={})
    await endpoint(pool, "https://example.org", "cancelled")
    await end(pool, "finished")
    assert await pool.fetchval("SELECT count(*) FROM outbox") == 0


async def test_another_try_is_no_end(pool: asyncpg.Pool) -> None:
    job_id = await end(pool, "pending", notify=MAIL)
    assert await owed(pool, job_id) == []


async def test_options_of_a_definition_name_who_gets_a_mail(pool: asyncpg.Pool) -> None:
    completion = {"send_completion_email": True, "email_list": ["c@example.org"]}
    failure = {"send_failure_email": True, "email_list": ["f@example.org"]}
    assert await owed(pool, await end(pool, "finished", options=completion)) == [("email", "c@example.org")]
    assert await owed(pool, await end(pool, "failed", options=completion)) == []
    assert await owed(pool, await end(pool, "failed", options=failure)) == [("email", "f@example.org")]
    assert await owed(pool, await end(pool, "finished", options=failure)) == []
    assert await owed(pool, await end(pool, "cancelled", options={**completion, **failure})) == []


async def test_the_creator_gets_the_mail_too_if_that_is_an_address(pool: asyncpg.Pool) -> None:
    options: dict[str, Any] = {"send_completion_email": True}
    job_id = await end(pool, "finished", options=options, created_by="anna@example.org")
    assert await owed(pool, job_id) == [("email", "anna@example.org")]
    assert await owed(pool, await end(pool, "finished", options=options, created_by="nightly run")) == []
    options["email_list"] = ["office@example.org"]
    job_id = await end(pool, "finished", options=options, created_by="anna@example.org")
    assert await owed(pool, job_id) == [("email", "anna@example.org"), ("email", "office@example.org")]


async def test_who_is_named_twice_gets_one_mail(pool: asyncpg.Pool) -> None:
    options = {"send_completion_email": True, "email_list": ["Anna@Example.org"]}
    job_id = await end(pool, "finished", notify=MAIL, options=options)
    assert len(await owed(pool, job_id)) == 1


async def test_skip_notification_leaves_the_mails_that_were_asked_for(pool: asyncpg.Pool) -> None:
    await endpoint(pool, "https://example.org", "finished")
    options = {"skip_notification": True, "send_completion_email": True, "email_list": ["c@example.org"]}
    told = [("email", "anna@example.org"), ("email", "c@example.org")]
    assert await owed(pool, await end(pool, "finished", notify=MAIL, options=options)) == told
    assert await owed(pool, await end(pool, "finished", options={"skip_notification": True})) == []


ODD = (
    "null",
    "5",
    '"x"',
    "[]",
    '{"email_list": null, "send_completion_email": 1}',
    '{"emails": "x", "on": "finished", "webhook_url": 5, "send_failure_email": "true"}',
)


@pytest.mark.parametrize("odd", ODD)
async def test_nothing_odd_in_a_request_keeps_a_job_from_its_end(pool: asyncpg.Pool, odd: str) -> None:
    await end(pool, "finished", notify=odd, options=odd)
    await end(pool, "failed", notify=odd, options=odd)


async def test_endpoints_of_the_tenant_are_told_of_the_ends_that_they_name(pool: asyncpg.Pool) -> None:
    other = await pool.fetchval("INSERT INTO tenants (code, name) VALUES ('other', 'Other') RETURNING id")
    await endpoint(pool, "https://one.example.org", "finished", "failed")
    await endpoint(pool, "https://two.example.org", "finished")
    await endpoint(pool, "https://three.example.org", "finished", tenant_id=other)
    await endpoint(pool, "https://four.example.org", "finished")
    await pool.execute("UPDATE webhook_endpoints SET enabled = false WHERE url LIKE '%four%'")
    one, two = ("webhook", "https://one.example.org"), ("webhook", "https://two.example.org")
    assert await owed(pool, await end(pool, "finished")) == [one, two]
    assert await owed(pool, await end(pool, "failed")) == [one]
    assert await owed(pool, await end(pool, "cancelled")) == []


async def test_a_job_that_is_cancelled_while_it_waits_owes_its_notices(
    api: ClientSession, submit: Submit, pool: asyncpg.Pool
) -> None:
    made = await submit(run_at="2126-01-01T00:00:00Z", notify=orjson.loads(MAIL))
    assert await owed(pool, made["id"]) == []
    assert (await ask(api, "POST", f"/api/jobs/{made['id']}/cancel")).status == 200
    assert await owed(pool, made["id"]) == [("email", "anna@example.org")]


async def test_a_job_that_expires_owes_its_notices(pool: asyncpg.Pool) -> None:
    job_id = await add(pool, notify=MAIL, expires_in=1)
    await pool.execute("UPDATE jobs SET start_by = now() WHERE id = $1", job_id)
    assert len(await expire_unstarted(pool)) == 1
    assert await owed(pool, job_id) == [("email", "anna@example.org")]


async def test_a_job_whose_worker_is_lost_for_good_owes_its_notices(pool: asyncpg.Pool) -> None:
    job_id = await add(pool, notify=MAIL)
    for _ in range(3):
        assert await owed(pool, job_id) == []
        assert await claim(pool, job_id)
        await lose_lease(pool, job_id)
        await rescue_dead(pool, 10)
    assert await owed(pool, job_id) == [("email", "anna@example.org")]


async def test_each_end_of_a_job_that_runs_again_is_told(api: ClientSession, pool: asyncpg.Pool) -> None:
    job_id = await end(pool, "failed", notify=MAIL)
    assert (await ask(api, "POST", f"/api/jobs/{job_id}/rerun")).status == 200
    row = await claim(pool, job_id)
    assert row is not None
    assert await settle(pool, row, "finished")
    told = await pool.fetch(
        "SELECT job ->> 'status' AS status, job ->> 'run' AS run FROM outbox ORDER BY number"
    )
    assert [tuple(one) for one in told] == [("failed", "1"), ("finished", "2")]


async def test_a_settlement_that_is_rolled_back_owes_nothing(pool: asyncpg.Pool) -> None:
    job_id = await add(pool, notify=MAIL)
    row = await claim(pool, job_id)
    assert row is not None
    await lose_lease(pool, job_id)
    await rescue_dead(pool, 10)
    assert await settle(pool, row, "finished") is None
    assert await owed(pool, job_id) == []


async def test_a_job_that_is_deleted_first_still_owes_its_notices(
    api: ClientSession, pool: asyncpg.Pool
) -> None:
    job_id = await end(pool, "finished", notify=MAIL, description="Dues")
    before = (await ask(api, "GET", f"/api/jobs/{job_id}")).body
    assert (await ask(api, "DELETE", f"/api/jobs/{job_id}")).status == 204
    kept = await pool.fetchrow("SELECT job_id, shown, state FROM outbox")
    assert kept is not None
    assert (kept["job_id"], kept["state"]) == (None, "pending")
    assert orjson.loads(kept["shown"]) == before


async def test_what_was_told_goes_with_its_job(api: ClientSession, pool: asyncpg.Pool) -> None:
    job_id = await end(pool, "finished", notify=MAIL)
    await pool.execute("UPDATE outbox SET state = 'delivered', ended_at = now()")
    assert (await ask(api, "DELETE", f"/api/jobs/{job_id}")).status == 204
    assert await pool.fetchval("SELECT count(*) FROM outbox") == 0


async def test_a_purge_waits_until_all_are_told(pool: asyncpg.Pool) -> None:

    job_id = await end(pool, "finished", notify=MAIL)
    await pool.execute("UPDATE jobs SET purge_at = now() WHERE id = $1", job_id)
    async with pool.acquire() as connection:
        assert (await purge_batch(connection, None)).counts["jobs"] == 0
    await pool.execute("UPDATE outbox SET state = 'dead', ended_at = now()")
    async with pool.acquire() as connection:
        assert (await purge_batch(connection, None)).counts["jobs"] == 1
