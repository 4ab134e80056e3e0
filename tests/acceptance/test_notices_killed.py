"""Notices under workers that are killed in the middle of a delivery: each arrives under its id, and none is lost."""

import asyncio

import asyncpg
import orjson
from aiohttp import web

from ledger import add, claim, settle
from receivers import webhook_receiver
from service.settings import Settings
from worker_process import WorkerProcess

NOTICES = 60


async def owe(pool: asyncpg.Pool, url: str) -> None:
    notify = orjson.dumps({"webhook_url": url, "on": ["finished"], "emails": []}).decode()
    for _ in range(NOTICES):
        row = await claim(pool, await add(pool, notify=notify))
        assert row is not None
        assert await settle(pool, row, "finished")


async def test_a_worker_killed_while_it_delivers_loses_no_notice(
    pool: asyncpg.Pool, settings: Settings
) -> None:
    async with webhook_receiver() as hooks:

        async def slow(_: web.Request) -> web.Response:
            await asyncio.sleep(0.2)
            return web.Response()

        hooks.answering["/slow"] = slow
        await owe(pool, hooks.url("/slow"))
        environ = {"LAVORI_OUTBOUND_ALLOW": f"127.0.0.1:{hooks.port}", "LAVORI_NOTICE_RETRY_SECONDS": "0.1"}
        with WorkerProcess(settings, environ) as one, WorkerProcess(settings, environ):
            await hooks.until(15, "/slow")
            one.kill_and_start_again()
            async with asyncio.timeout(20):
                while await pool.fetchval("SELECT count(*) FROM outbox WHERE state <> 'delivered'"):
                    await asyncio.sleep(0.05)
        owed = {str(row["id"]) for row in await pool.fetch("SELECT id FROM outbox")}
        assert len(owed) == NOTICES
        assert set(hooks.ids("/slow")) == owed
        assert hooks.at_once_with_one_id == 0


async def test_two_workers_deliver_each_notice_once(pool: asyncpg.Pool, settings: Settings) -> None:
    async with webhook_receiver() as hooks:
        await owe(pool, hooks.url("/hook"))
        environ = {"LAVORI_OUTBOUND_ALLOW": f"127.0.0.1:{hooks.port}"}
        with WorkerProcess(settings, environ), WorkerProcess(settings, environ):
            async with asyncio.timeout(20):
                while await pool.fetchval("SELECT count(*) FROM outbox WHERE state <> 'delivered'"):
                    await asyncio.sleep(0.05)
        assert len(hooks.ids()) == len(set(hooks.ids())) == NOTICES
