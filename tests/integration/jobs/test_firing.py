"""Schedules that fire: the time is a parameter here, and the schedulers run side by side."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from aiohttp import ClientSession

import odd_jobs
import secret_jobs
from asking import ask, put_into
from service.definitions import tick as ticking
from service.definitions.tick import Scheduler, Turn, end_wait, turn
from service.jobs.jobtype import JobTypes
from service.sealing import Sealer
from service.settings import Settings

PATH = "/api/job-definitions"
START = datetime(2026, 3, 27, 12, tzinfo=UTC)


@pytest.fixture
def job_types() -> JobTypes:
    return JobTypes([odd_jobs.echo, secret_jobs.careless])


@pytest.fixture
def scheduler(job_types: JobTypes, settings: Settings) -> Scheduler:
    return Scheduler(job_types, Sealer(settings.secret_keys))


async def schedule(
    api: ClientSession, pool: asyncpg.Pool, at: datetime = START, code: str = "d", **schedule: Any
) -> None:
    """A definition whose schedule was switched on at that time."""
    body = {"code": code, "type": "echo", "args": {"a": 1}, "schedule": {"cron": "* * * * *", **schedule}}
    made = await ask(api, "POST", PATH, json=body)
    assert made.status == 201, made
    await pool.execute(
        "UPDATE job_definitions SET walked_at = $1, next_run_at = $1, next_due_at = $1 WHERE code = $2",
        at,
        code,
    )


async def turns(pool: asyncpg.Pool, scheduler: Scheduler, now: datetime) -> list[Turn]:
    """All that is due by then."""
    found: list[Turn] = []
    while True:
        async with pool.acquire() as connection, connection.transaction():
            one = await turn(connection, scheduler, now)
        if one is None:
            return found
        found.append(one)


async def history(pool: asyncpg.Pool) -> list[tuple[str, str]]:
    rows = await pool.fetch("SELECT at, local, outcome FROM fires ORDER BY at, id")
    return [(f"{row['at']:%d %H:%M:%S}", row["outcome"]) for row in rows]


async def jobs_made(pool: asyncpg.Pool) -> int:
    count: int = await pool.fetchval("SELECT count(*) FROM jobs")
    return count


async def test_each_time_makes_one_job_of_its_definitions_maker(
    api: ClientSession, pool: asyncpg.Pool, scheduler: Scheduler
) -> None:
    await schedule(api, pool)
    now = START + timedelta(seconds=125)
    (brought,) = await turns(pool, scheduler, now)
    assert (brought.outcomes, len(brought.jobs)) == ({"fired": 2}, 2)
    read = (await ask(api, "GET", f"{PATH}/d")).body
    assert read["schedule"]["next_run_at"] == "2026-03-27T12:03:00.000Z"
    assert read["schedule"]["last_run_at"] == "2026-03-27T12:02:00.000Z"
    job = (await ask(api, "GET", f"/api/jobs/{read['schedule']['last_job_id']}")).body
    assert (job["definition"], job["args"], job["created_by"], job["status"]) == (
        "d",
        {"a": 1},
        "admin",
        "pending",
    )
    told = await ask(api, "GET", f"{PATH}/d/fires?limit=1")
    assert told.body["fires"][0] | {"decided_at": None} == {
        "at": "2026-03-27T12:02:00.000Z", "local": "2026-03-27T12:02:00+00:00", "policy": "normal", "outcome": "fired",
        "job_id": job["id"], "detail": None, "decided_at": None,
    }  # fmt: skip
    assert (await ask(api, "GET", told.body["next"])).body["fires"][0]["at"] == "2026-03-27T12:01:00.000Z"
    assert await turns(pool, scheduler, now) == []


@pytest.mark.parametrize(("misfire", "made"), [("skip", 1), ("once", 2), ("all", 101)])
@pytest.mark.usefixtures("invariants")
@pytest.mark.fault("F27", "schedulers down for a long time, by each policy")
async def test_after_a_long_silence_the_policy_decides_and_the_rest_is_recorded_as_missed(
    api: ClientSession, pool: asyncpg.Pool, scheduler: Scheduler, misfire: str, made: int
) -> None:
    await schedule(api, pool, misfire=misfire)
    await turns(pool, scheduler, START + timedelta(hours=3, seconds=5))
    assert await jobs_made(pool) == made
    told = await history(pool)
    assert len(told) == 180
    assert [outcome for _, outcome in told] == ["missed"] * (180 - made) + ["fired"] * made
    missed = await ask(api, "GET", f"{PATH}/d/fires?outcome=missed&limit=1")
    assert len(missed.body["fires"]) == (1 if made < 180 else 0)


async def test_a_silence_of_many_turns_ends_at_the_same_jobs(
    api: ClientSession, pool: asyncpg.Pool, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticking, "AT_ONCE", 50)
    await schedule(api, pool, misfire="all")
    assert len(await turns(pool, scheduler, START + timedelta(hours=5, seconds=5))) > 2
    told = await history(pool)
    assert [outcome for _, outcome in told] == ["missed"] * 199 + ["fired"] * 101
    assert len({at for at, _ in told}) == 300


@pytest.mark.usefixtures("invariants")
@pytest.mark.fault("F27", "schedulers side by side")
async def test_schedulers_side_by_side_make_each_job_once(
    api: ClientSession, pool: asyncpg.Pool, scheduler: Scheduler
) -> None:
    for number in range(5):
        await schedule(api, pool, code=f"d{number}", cron="* * * * * *")
    for second in range(1, 11):
        now = START + timedelta(seconds=second)
        await asyncio.gather(*(turns(pool, scheduler, now) for _ in range(4)))
        await asyncio.gather(*(turns(pool, scheduler, now) for _ in range(2)))
    assert await jobs_made(pool) == 50
    assert (
        await pool.fetchval("SELECT count(DISTINCT (definition_id, at)) FROM fires WHERE outcome = 'fired'")
        == 50
    )


async def test_a_time_fires_once_although_its_schedule_is_set_back(
    api: ClientSession, pool: asyncpg.Pool, scheduler: Scheduler
) -> None:
    await schedule(api, pool)
    for _ in range(2):
        await pool.execute(
            "UPDATE job_definitions SET walked_at = $1, next_run_at = $1, next_due_at = $1", START
        )
        await turns(pool, scheduler, START + timedelta(seconds=60))
    assert await jobs_made(pool) == 1
    assert len(await history(pool)) == 1


@pytest.mark.usefixtures("invariants")
@pytest.mark.fault("F27", "a scheduler that dies in its tick")
async def test_what_dies_in_the_middle_has_done_nothing(
    api: ClientSession, pool: asyncpg.Pool, scheduler: Scheduler
) -> None:
    await schedule(api, pool)
    now = START + timedelta(seconds=60)
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        assert (await turn(connection, scheduler, now)) is not None
        await transaction.rollback()
    assert (await jobs_made(pool), await history(pool)) == (0, [])
    await turns(pool, scheduler, now)
    assert await jobs_made(pool) == 1


async def test_overlap_skip_skips_and_says_so(
    api: ClientSession, pool: asyncpg.Pool, scheduler: Scheduler
) -> None:
    await schedule(api, pool, overlap="skip")
    await turns(pool, scheduler, START + timedelta(minutes=1))
    await turns(pool, scheduler, START + timedelta(minutes=2))
    (job_id,) = [row["id"] for row in await pool.fetch("SELECT id FROM jobs")]
    await put_into(pool, job_id, "finished")
    await turns(pool, scheduler, START + timedelta(minutes=3))
    assert [outcome for _, outcome in await history(pool)] == ["fired", "overlapped", "fired"]


async def test_a_job_of_a_former_definition_of_the_code_is_no_overlap(
    api: ClientSession, pool: asyncpg.Pool, scheduler: Scheduler
) -> None:
    await schedule(api, pool, overlap="skip")
    await turns(pool, scheduler, START + timedelta(minutes=1))
    assert (await ask(api, "DELETE", f"{PATH}/d")).status == 204
    await schedule(api, pool, overlap="skip")
    await turns(pool, scheduler, START + timedelta(minutes=1))
    assert ([outcome for _, outcome in await history(pool)], await jobs_made(pool)) == (["fired"], 2)


async def test_overlap_wait_fires_once_the_other_job_has_ended(
    api: ClientSession, pool: asyncpg.Pool, scheduler: Scheduler
) -> None:
    await schedule(api, pool, overlap="wait")
    for minute in (1, 2, 3):
        await turns(pool, scheduler, START + timedelta(minutes=minute))
    assert [outcome for _, outcome in await history(pool)] == ["fired", "waiting", "waiting"]

    async def end_waits() -> list[Turn | None]:
        async def one() -> Turn | None:
            async with pool.acquire() as connection, connection.transaction():
                return await end_wait(connection, scheduler)

        return [brought for brought in await asyncio.gather(*(one() for _ in range(4))) if brought]

    assert await end_waits() == []
    for done in range(2):
        await put_into(pool, await pool.fetchval("SELECT id FROM jobs WHERE status = 'pending'"), "finished")
        assert len(await end_waits()) == 1
        assert await end_waits() == []
        assert await jobs_made(pool) == done + 2
    assert [outcome for _, outcome in await history(pool)] == ["fired"] * 3


async def test_switching_a_schedule_off_drops_what_waits_and_changing_it_begins_anew(
    api: ClientSession, pool: asyncpg.Pool, scheduler: Scheduler
) -> None:
    await schedule(api, pool, overlap="wait")
    for minute in (1, 2):
        await turns(pool, scheduler, START + timedelta(minutes=minute))
    off = await ask(api, "PATCH", f"{PATH}/d", json={"schedule": {"enabled": False}})
    assert (off.body["schedule"]["next_run_at"], off.body["schedule"]["enabled"]) == (None, False)
    assert off.body["schedule"]["last_run_at"] == "2026-03-27T12:01:00.000Z"
    assert [outcome for _, outcome in await history(pool)] == ["fired", "missed"]
    assert await turns(pool, scheduler, datetime.now(UTC) + timedelta(hours=1)) == []
    on = await ask(api, "PATCH", f"{PATH}/d", json={"schedule": {"enabled": True, "cron": "0 0 1 1 *"}})
    assert on.body["schedule"]["next_run_at"].endswith("-01-01T00:00:00.000Z")
    named = await ask(api, "PATCH", f"{PATH}/d", json={"name": "x"})
    assert named.body["schedule"] == on.body["schedule"]


@pytest.mark.parametrize(
    ("zone", "start", "expected"),
    [
        ("Europe/Rome", datetime(2026, 3, 28, 12, tzinfo=UTC), ["29 01:00:00 fired", "30 00:30:00 fired"]),
        (
            "Europe/Rome",
            datetime(2026, 10, 24, 12, tzinfo=UTC),
            ["25 00:30:00 fired", "25 01:30:00 left_out", "26 01:30:00 fired"],
        ),
        (
            "Australia/Lord_Howe",
            datetime(2026, 4, 4, 12, tzinfo=UTC),
            ["04 16:00:00 fired", "05 16:00:00 fired"],
        ),
        (
            "Australia/Lord_Howe",
            datetime(2026, 10, 3, 12, tzinfo=UTC),
            ["03 15:30:00 fired", "04 15:30:00 fired"],
        ),
    ],
)
@pytest.mark.usefixtures("invariants")
@pytest.mark.fault("F26", "cron over the days that the clock changes: preview and fires agree")
async def test_preview_and_fires_agree_on_the_days_that_the_clock_changes(
    api: ClientSession,
    pool: asyncpg.Pool,
    scheduler: Scheduler,
    zone: str,
    start: datetime,
    expected: list[str],
) -> None:
    times = {"cron": "30 2 * * *", "timezone": zone}
    await schedule(api, pool, start, **times)
    for hour in range(1, 41):
        await turns(pool, scheduler, start + timedelta(hours=hour))
    assert [" ".join(one) for one in await history(pool)] == expected
    asked = {**times, "count": 2, "start_at": start.isoformat()}
    preview = (await ask(api, "POST", "/api/schedules/preview", json=asked)).body
    told = (await ask(api, "GET", f"{PATH}/d/fires?outcome=fired")).body["fires"]
    shown = [{name: fire[name] for name in ("at", "local", "policy")} for fire in reversed(told)]
    assert preview["fires"] == shown


async def test_a_fire_that_cannot_be_made_says_why_and_the_next_one_is_tried(
    api: ClientSession, pool: asyncpg.Pool, scheduler: Scheduler
) -> None:
    body = {
        "code": "s",
        "type": "careless",
        "args": {"password": "hunter22"},
        "schedule": {"cron": "* * * * *"},
    }
    assert (await ask(api, "POST", PATH, json=body)).status == 201
    await pool.execute("UPDATE job_definitions SET walked_at = $1, next_run_at = $1, next_due_at = $1", START)
    stranger = Scheduler(scheduler.job_types, Sealer(("another-secret-key-of-32-characters",)))
    await turns(pool, stranger, START + timedelta(minutes=1))
    assert [outcome for _, outcome in await history(pool)] == ["refused"]
    told = (await ask(api, "GET", f"{PATH}/s/fires")).body["fires"][0]
    assert (told["job_id"], "key is gone" in told["detail"]) == (None, True)
    await turns(pool, scheduler, START + timedelta(minutes=2))
    assert [outcome for _, outcome in await history(pool)] == ["refused", "fired"]
    job = (await ask(api, "GET", "/api/jobs")).body["jobs"][0]
    assert job["args"] == {"password": "***"}


async def test_a_type_that_this_process_does_not_know_is_left_to_others(
    api: ClientSession, pool: asyncpg.Pool, scheduler: Scheduler
) -> None:
    await schedule(api, pool)
    now = START + timedelta(minutes=1)
    assert await turns(pool, Scheduler({}, scheduler.sealer), now) == []
    assert len(await turns(pool, scheduler, now)) == 1


async def test_a_worker_fires_what_is_due_within_a_second(
    api: ClientSession, worker: asyncio.Event, pool: asyncpg.Pool
) -> None:
    body = {"code": "often", "type": "echo", "schedule": {"cron": "* * * * * *"}}
    assert (await ask(api, "POST", PATH, json=body)).status == 201
    async with asyncio.timeout(15):
        while await pool.fetchval("SELECT count(*) FROM jobs WHERE status = 'finished'") < 3:
            await asyncio.sleep(0.05)
    late = await pool.fetchval("SELECT max(decided_at - at) FROM fires WHERE outcome = 'fired'")
    assert late < timedelta(seconds=5)


PREVIEWS = [
    ({"cron": "0 12 * * *", "count": 2}, 2, 0),
    ({"cron": "0 0 12 * * ?", "timezone": "Europe/Rome"}, 10, 0),
    ({"cron": "30 2 * * *", "timezone": "Europe/Rome", "start_at": "2026-03-28T12:00:00Z", "dst_gap": "skip",
      "count": 1}, 1, 1),
    ({"cron": "* * * * *", "end_at": "2000-01-01T00:00:00Z"}, 0, 0),
    ({"cron": "* * * * *", "misfire": "all", "overlap": "wait", "jitter_seconds": 5, "enabled": False, "count": 1},
     1, 0),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "fires", "skipped"), PREVIEWS)
async def test_a_preview_tells_fires_and_what_is_left_out(
    api: ClientSession, asked: dict[str, Any], fires: int, skipped: int
) -> None:
    told = await ask(api, "POST", "/api/schedules/preview", json=asked)
    assert (told.status, len(told.body["fires"]), len(told.body["skipped"])) == (200, fires, skipped)


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ({}, "#/cron"), ({"cron": "0 0 31 2 *"}, "#/cron"), ({"cron": "x"}, "#/cron"), ({"cron": ""}, "#/cron"),
        ({"cron": "* * * * *", "timezone": "Rome"}, "#/timezone"), ({"cron": "* * * * *", "count": 0}, "#/count"),
        ({"cron": "* * * * *", "count": 1001}, "#/count"),
        ({"cron": "* * * * *", "jitter_seconds": 3601}, "#/jitter_seconds"),
        ({"cron": "* * * * *", "dst_gap": "jump"}, "#/dst_gap"), ({"cron": "* * * * *", "odd": 1}, "#/odd"),
    ],
)  # fmt: skip
async def test_a_preview_of_what_is_no_schedule_is_refused(
    api: ClientSession, asked: dict[str, Any], pointer: str
) -> None:
    refused = await ask(api, "POST", "/api/schedules/preview", json=asked)
    assert (refused.status, [fault["pointer"] for fault in refused.body["errors"]]) == (422, [pointer])
