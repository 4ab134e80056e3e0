"""Workers and API processes killed at random, and at each place where it could hurt most."""

import asyncio
import random
import signal

import asyncpg
import pytest

from fault_lab.load import clients_of, clients_of_another_tenant
from fault_lab.system import running_system
from fault_points import DIED, OF_API, OF_WORKER
from ledger import until_status
from receivers import webhook_receiver
from service.settings import Settings

ENDED = "SELECT count(*) FROM jobs WHERE terminated_at IS NOT NULL"


@pytest.mark.fault(
    "F01",
    "kill -9 of a random worker of 4, {kills} times, during {jobs} jobs",
    kills=(6, 100),
    jobs=(300, 10_000),
)
async def test_workers_killed_at_random_break_no_promise(
    settings: Settings, pool: asyncpg.Pool, kills: int, jobs: int
) -> None:
    dice = random.Random(1)
    async with running_system(settings, pool, workers=4) as system, clients_of(system) as clients:
        body = {"type": "marked", "args": {"diary": str(system.diary), "seconds": 0.3}}
        submitting = asyncio.create_task(clients.submit_many(jobs, body))
        for kill in range(kills):
            async with asyncio.timeout(60):
                while await pool.fetchval(ENDED) < jobs * kill / (kills + 1):
                    await asyncio.sleep(0.02)
            dice.choice(system.workers).kill_and_start_again()
        await submitting
        await system.check(settings.lease_seconds + settings.sweep_seconds + 10 + jobs / 100)


HANDED_BACK = """
SELECT count(*), extract(epoch FROM max(following.started_at - given.ended_at)) AS seconds
FROM attempts AS given
LEFT JOIN attempts AS following ON following.job_id = given.job_id AND following.claim = given.claim + 1
WHERE given.outcome = 'handed_back'
"""
COUNTED = "SELECT max(attempt), max(crashes) FROM jobs"
RUNNERS = "SELECT DISTINCT worker_id FROM jobs WHERE id = ANY($1) AND status = 'running'"


@pytest.mark.fault(
    "F20",
    "SIGTERM of a worker of 3 that runs jobs which outlive its drain time, {times} times, during {jobs} short ones",
    times=(3, 30),
    jobs=(300, 5_000),
)
async def test_workers_told_to_go_finish_their_jobs_or_hand_them_back_uncounted(
    settings: Settings, pool: asyncpg.Pool, times: int, jobs: int
) -> None:
    dice = random.Random(20)
    async with (
        running_system(settings, pool, workers=3, supervised=False) as system,
        clients_of(system) as clients,
    ):
        short = {"type": "marked", "args": {"diary": str(system.diary), "seconds": 0.3}}
        args = {"diary": str(system.diary), "seconds": 6.0, "steps": 12}
        long = {"type": "marked", "args": args, "priority": "high"}  # not behind all the short ones
        submitting = asyncio.create_task(clients.submit_many(jobs, short, name="short"))
        for turn in range(times):
            ids = await clients.submit_many(5, long, name=f"long{turn}.")
            for job_id in ids:
                await until_status(pool, job_id, "running")
            pids = {int(row["worker_id"].split("-")[-2]) for row in await pool.fetch(RUNNERS, ids)}
            worker = dice.choice([worker for worker in system.workers if worker.pid in pids])
            worker.signal(signal.SIGTERM)
            assert await asyncio.to_thread(worker.exit_code, 10) == 0, worker.said
            worker.start_again_if_ended()
        await submitting
        await system.check()
    ((count, seconds),) = await pool.fetch(HANDED_BACK)
    assert count >= times
    assert seconds <= 5
    assert [tuple(row) for row in await pool.fetch(COUNTED)] == [(1, 0)]


@pytest.mark.fault(
    "F02",
    "kill -9 of one of two API processes {kills} times, while clients of two tenants submit {jobs} jobs each, with the"
    " same keys",
    kills=(4, 20),
    jobs=(300, 4_000),
)
async def test_api_processes_killed_at_random_lose_no_submit_and_double_none(
    settings: Settings, pool: asyncpg.Pool, kills: int, jobs: int
) -> None:
    dice = random.Random(2)
    async with (
        running_system(settings, pool, apis=2) as system,
        clients_of(system) as clients,
        await clients_of_another_tenant(system) as others,
    ):
        async with asyncio.TaskGroup() as submitting:
            for some in (clients, others):
                submitting.create_task(some.submit_many(jobs, {"type": "echo", "args": {}}, at_once=4))
            for kill in range(kills):
                async with asyncio.timeout(60):
                    while await pool.fetchval("SELECT count(*) FROM jobs") < 2 * jobs * kill / kills + 5:
                        await asyncio.sleep(0.01)
                await dice.choice(system.apis).kill_and_start_again()
        assert await pool.fetchval("SELECT count(*) FROM jobs") == 2 * jobs
        for some in (clients, others):
            assert (await some.ask("list", "GET", "/api/jobs?limit=200")).status == 200
        await system.check()


@pytest.mark.fault(
    "F03",
    "an API that dies {crashes} times at each seeded point (" + ", ".join(OF_API) + ")",
    crashes=(1, 50),
)
async def test_an_api_that_dies_at_a_point_loses_no_submit_and_doubles_none(
    settings: Settings, pool: asyncpg.Pool, crashes: int
) -> None:
    async with (
        running_system(settings, pool, module="fault_points", supervised=False) as system,
        clients_of(system) as clients,
    ):
        (api,) = system.apis
        for point in OF_API:
            for crash in range(crashes):
                api.set(FAULT_POINT=f"{point}:2")
                await api.kill_and_start_again()
                submitting = asyncio.create_task(
                    clients.submit_many(8, {"type": "echo"}, name=f"{point}.{crash}.", at_once=2)
                )
                assert await api.exit_code(30) == DIED, api.said
                api.set(FAULT_POINT="")
                api.start_again_if_ended()
                await submitting
        await system.check()


# Only one worker passes here, the first to come, so the other one must be away.
ALONE = ("after_rescue", "in_the_schedules_tick", "at_the_end_of_the_tick")
ALONE_TURNS = [(point,) for point in ALONE]


def batched(points: list[str], count: int) -> list[tuple[str, ...]]:
    return [tuple(points[first : first + count]) for first in range(0, len(points), count)]


@pytest.mark.fault(
    "F03",
    "a worker that dies {crashes} times at each seeded point (" + ", ".join(OF_WORKER) + ")",
    crashes=(1, 50),
)
async def test_a_worker_that_dies_at_a_point_breaks_no_promise(
    settings: Settings, pool: asyncpg.Pool, crashes: int
) -> None:
    """Four die, each at its own point; the fifth is whole: it rescues what they held, and does what they left."""
    dice = random.Random(3)
    async with webhook_receiver() as hooks:
        environ = {
            "LAVORI_OUTBOUND_ALLOW": f"127.0.0.1:{hooks.port}",
            "LAVORI_NOTICE_RETRY_SECONDS": "0.1",
            "LAVORI_INLINE_LIMIT": "1024",
        }
        async with (
            running_system(
                settings, pool, workers=5, module="fault_points", environ=environ, supervised=False
            ) as system,
            clients_of(system) as clients,
        ):
            schedule = {"cron": "* * * * * *", "misfire": "all"}
            often = {"code": "often", "type": "echo", "schedule": schedule}
            await clients.ask("define", "POST", "/api/job-definitions", json=often)
            body = {
                "type": "marked",
                "args": {"diary": str(system.diary), "seconds": 0.1, "output_bytes": 2_000},
                "notify": {"webhook_url": hooks.url(), "on": ["finished", "failed"]},
            }
            *dying, whole = system.workers
            for worker in dying:
                worker.kill()
            for together in (
                *batched([one for one in OF_WORKER if one not in ALONE], len(dying)),
                *ALONE_TURNS,
            ):
                for crash in range(crashes):
                    if together == ("after_rescue",):
                        long = body | {"args": {"diary": str(system.diary), "seconds": 2.0}}
                        held = await clients.submit(f"{together[0]}.{crash}.held", long)
                        await until_status(pool, held, "running")
                    if together in ALONE_TURNS:
                        whole.kill()
                    for point, worker in zip(together, dying, strict=False):
                        passes = 1 if point in ALONE or crashes == 1 else dice.randint(1, 4)
                        worker.set(FAULT_POINT=f"{point}:{passes}")
                        worker.start_again_if_ended()
                    ending = dying[: len(together)]
                    for turn in range(100):
                        if all(worker.ended() for worker in ending):
                            break
                        await clients.submit_many(3, body, name=f"{together[0]}.{crash}.{turn}.", at_once=3)
                        await asyncio.sleep(0.1)
                    whole.start_again_if_ended()
                    for worker in ending:
                        assert worker.exit_code(1) == DIED, f"{together} was not reached: {worker.said}"
            off = {"schedule": {"enabled": False}}
            assert (await clients.ask("patch", "PATCH", "/api/job-definitions/often", json=off)).status == 200
            await system.check()
        delivered = {str(row["id"]) for row in await pool.fetch("SELECT id FROM outbox")}
        assert set(hooks.ids()) == delivered
