"""A line in front of something scarce: it keeps the order, and has an end."""

import asyncio
from contextvars import copy_context

import pytest

from service.db.line import GOES_FIRST, Line
from service.errors import Unavailable


class Crowd:
    """People in a line, and the order in which they got in."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.got_in: list[str] = []

    def send(self, name: str, *, first: bool = False) -> asyncio.Task[None]:
        async def come() -> None:
            await self.line.enter()
            self.got_in.append(name)

        context = copy_context()
        context.run(GOES_FIRST.set, first)
        return asyncio.create_task(come(), context=context)


async def test_who_came_first_goes_first_save_those_who_come_for_many() -> None:
    crowd = Crowd(Line(1, what="it"))
    await crowd.line.enter()
    tasks = [crowd.send(name) for name in "abc"]
    tasks.append(crowd.send("many", first=True))
    for count in range(1, 5):
        await asyncio.sleep(0)
        crowd.line.leave()
        tasks.append(crowd.send("late"))  # it finds no room, though somebody has just left
        async with asyncio.timeout(5):
            while len(crowd.got_in) < count:
                await asyncio.sleep(0)
    assert crowd.got_in == ["many", "a", "b", "c"]
    for _ in range(4):
        crowd.line.leave()
    await asyncio.gather(*tasks)


async def test_a_line_that_is_too_long_refuses_at_once_but_never_who_comes_for_many() -> None:
    crowd = Crowd(Line(1, what="it", most_waiting=2))
    await crowd.line.enter()
    tasks = [crowd.send("a"), crowd.send("b")]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable) as refused:
        await crowd.line.enter()
    assert refused.value.retry_after
    tasks.append(crowd.send("many", first=True))
    await asyncio.sleep(0)
    for _ in range(3):
        crowd.line.leave()
    await asyncio.gather(*tasks)
    assert crowd.got_in == ["many", "a", "b"]


async def test_who_has_waited_long_enough_is_refused_and_those_behind_move_up() -> None:
    line = Line(1, what="it", wait_seconds=0.05)
    await line.enter()
    with pytest.raises(Unavailable):
        async with asyncio.timeout(5):
            await line.enter()
    crowd = Crowd(line)
    task = crowd.send("a")
    await asyncio.sleep(0)
    line.leave()
    await task


async def test_a_turn_is_not_lost_with_who_is_cancelled_when_it_comes_or_before() -> None:
    crowd = Crowd(Line(1, what="it"))
    await crowd.line.enter()
    before, just_then, last = crowd.send("before"), crowd.send("just then"), crowd.send("last")
    await asyncio.sleep(0)
    before.cancel()
    await asyncio.sleep(0)
    crowd.line.leave()
    just_then.cancel()  # its turn has come, and it does not know yet
    async with asyncio.timeout(5):
        await last
    assert crowd.got_in == ["last"]
    crowd.line.leave()
    async with asyncio.timeout(1), crowd.line.place():
        pass
