"""How late the event loop is: the time that a coroutine which wants to go on has to wait."""

import asyncio
import time
from collections.abc import Callable

PERIOD_SECONDS = 0.5


async def watch_loop(observe: Callable[[float], None]) -> None:
    """Sleep again and again, and tell by how many seconds each waking was late; until cancelled."""
    while True:
        due = time.monotonic() + PERIOD_SECONDS  # not the loop's own clock, which stands still in a turn
        await asyncio.sleep(PERIOD_SECONDS)
        observe(max(0.0, time.monotonic() - due))
