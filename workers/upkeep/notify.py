"""Delivers the notices that are owed: each by one worker, many at a time, outside of all transactions."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import asyncpg
import structlog

from service.db.pool import UNREACHABLE
from service.notifications import outbox
from service.notifications.courier import NO_MAIL_SERVER, Courier
from workers.runtime import Runtime

log = structlog.get_logger()

AT_ONCE = 50
LOOK_SECONDS = 1.0


async def notify(runtime: Runtime, stop: asyncio.Event) -> None:
    """Deliver until told to stop, and then end what is under way.

    No hint tells that a notice is owed, since every job would pay for it: a look at an index each second costs less.
    """
    courier = Courier.of(runtime.settings, runtime.pool, runtime.system)
    under_way: dict[UUID, asyncio.Task[None]] = {}
    pause = min(LOOK_SECONDS, runtime.settings.sweep_seconds)
    async with asyncio.TaskGroup() as tries:
        stopping = tries.create_task(_wait_for(stop))
        while not stop.is_set():
            for notice in await _take(runtime, courier, list(under_way)):
                under_way[notice["lease_id"]] = tries.create_task(courier.deliver(notice))
            await asyncio.wait(
                {stopping, *under_way.values()}, timeout=pause, return_when=asyncio.FIRST_COMPLETED
            )
            under_way = {lease_id: task for lease_id, task in under_way.items() if not task.done()}


async def _wait_for(stop: asyncio.Event) -> None:
    await stop.wait()


async def _take(runtime: Runtime, courier: Courier, held: Sequence[UUID]) -> list[asyncpg.Record]:
    """Take as many as there is room for; none while PostgreSQL is away."""
    try:
        if courier.server is None:
            await outbox.hold_mails(runtime.pool, NO_MAIL_SERVER)
        return await outbox.claim_due(
            runtime.pool,
            AT_ONCE - len(held),
            runtime.worker_id,
            runtime.settings.lease_seconds,
            held,
            mails=courier.server is not None,
        )
    except UNREACHABLE as error:
        reason = f"{type(error).__name__}: {error}"
        log.debug("upkeep waits", action="upkeep.waits", duty="notify", error=reason)
    except Exception:
        log.exception("upkeep failed", action="upkeep.failed", duty="notify")
    return []


async def retire(runtime: Runtime) -> None:
    """End the notices that are too old, and forget those that ended long ago; let mails go once there is a server."""
    if runtime.settings.smtp_url is not None and runtime.settings.mail_from is not None:
        await outbox.free_mails(runtime.pool)
    while count := await outbox.give_up_old(runtime.pool):
        log.warning("notices given up", action="notice.given_up", count=count)
    while count := await outbox.forget_ended(runtime.pool):
        log.info("notices purged", action="purge.notices", count=count)
