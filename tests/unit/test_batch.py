"""Batching what is concurrent."""

import asyncio
from collections.abc import Sequence

import asyncpg
import pytest

from service.db.batch import Batcher
from service.errors import Unavailable


class Flushes:
    """A flush that answers each item with its double, and can be held back; it notes what travelled together."""

    def __init__(self, *, held: bool = False) -> None:
        self.batches: list[list[int]] = []
        self.under_way = self.most_under_way = 0
        self.open = asyncio.Event()
        self.bad: dict[int, Exception] = {}
        if not held:
            self.open.set()

    async def __call__(self, items: list[int]) -> Sequence[int]:
        self.batches.append(items)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await self.open.wait()
        finally:
            self.under_way -= 1
        for item in items:
            if item in self.bad:
                raise self.bad[item]
        return [2 * item for item in items]


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_an_idle_batcher_sends_the_first_item_at_once() -> None:
    flushes = Flushes(held=True)
    batcher = Batcher(flushes)
    first = batcher.put(1)
    await turns(2)
    assert flushes.batches == [[1]]
    flushes.open.set()
    assert await first == 2


@pytest.mark.parametrize("concurrency", [1, 2])
async def test_what_comes_in_the_turn_in_which_the_last_flush_ends_is_not_left_lying(
    concurrency: int,
) -> None:
    flushes = Flushes(held=True)
    batcher = Batcher(flushes, concurrency=concurrency)

    async def again(item: int) -> int:
        return await batcher.put(await batcher.put(item))

    asked = asyncio.create_task(again(1))
    await turns()
    others = [batcher.put(item) for item in range(2, 1 + concurrency)]
    await turns()
    assert len(flushes.batches) == concurrency
    flushes.open.set()
    async with asyncio.timeout(1):
        assert await asked == 4
        assert await asyncio.gather(*others) == [2 * item for item in range(2, 1 + concurrency)]


async def test_what_comes_in_one_turn_of_the_loop_travels_together() -> None:
    flushes = Flushes()
    batcher = Batcher(flushes, concurrency=1)
    assert await asyncio.gather(*(batcher.put(n) for n in range(10))) == [2 * n for n in range(10)]
    assert flushes.batches == [list(range(10))]


async def test_what_comes_while_a_flush_is_under_way_is_the_next_batch_up_to_its_size() -> None:
    flushes = Flushes(held=True)
    batcher = Batcher(flushes, max_items=3, concurrency=1)
    futures = [batcher.put(0)]
    await turns()
    futures += [batcher.put(n) for n in range(1, 6)]
    await turns()
    assert flushes.batches == [[0]]
    flushes.open.set()
    assert await asyncio.gather(*futures) == [0, 2, 4, 6, 8, 10]
    assert flushes.batches == [[0], [1, 2, 3], [4, 5]]


async def test_no_more_flushes_than_allowed_are_under_way() -> None:
    flushes = Flushes(held=True)
    batcher = Batcher(flushes, max_items=1, concurrency=2)
    futures = [batcher.put(n) for n in range(5)]
    await turns()
    assert flushes.under_way == 2
    flushes.open.set()
    await asyncio.gather(*futures)
    assert flushes.most_under_way == 2


async def test_a_guilty_item_gets_its_error_and_its_neighbours_their_results() -> None:
    flushes = Flushes()
    flushes.bad[2] = asyncpg.DataError("not for me")
    batcher = Batcher(flushes, concurrency=1)
    results = await asyncio.gather(*(batcher.put(n) for n in range(4)), return_exceptions=True)
    assert results == [0, 2, flushes.bad[2], 6]


async def test_an_error_that_is_nobodys_fault_is_told_to_all_and_nothing_is_tried_twice() -> None:
    flushes = Flushes()
    flushes.bad[2] = ConnectionError("gone")
    batcher = Batcher(flushes, concurrency=1)
    results = await asyncio.gather(*(batcher.put(n) for n in range(4)), return_exceptions=True)
    assert results == [flushes.bad[2]] * 4
    assert len(flushes.batches) == 1


async def test_it_goes_on_after_an_error() -> None:
    flushes = Flushes()
    flushes.bad[1] = ConnectionError("gone")
    batcher = Batcher(flushes)
    with pytest.raises(ConnectionError):
        await batcher.put(1)
    assert await batcher.put(2) == 4


async def test_a_caller_that_left_before_its_turn_is_not_sent() -> None:
    flushes = Flushes(held=True)
    batcher = Batcher(flushes, concurrency=1)
    first = batcher.put(1)
    await turns()
    leaving, staying = batcher.put(2), batcher.put(3)
    leaving.cancel()
    flushes.open.set()
    assert list(await asyncio.gather(first, staying)) == [2, 6]
    assert flushes.batches == [[1], [3]]


async def test_a_caller_that_leaves_while_its_batch_is_under_way_disturbs_nobody() -> None:
    flushes = Flushes(held=True)
    batcher = Batcher(flushes)
    leaving, staying = batcher.put(1), batcher.put(2)
    await turns()
    leaving.cancel()
    flushes.open.set()
    assert await staying == 4


async def test_past_its_bound_it_refuses_at_once_and_recovers() -> None:
    flushes = Flushes(held=True)
    batcher = Batcher(flushes, concurrency=1, max_waiting=2)
    futures = [batcher.put(0)]
    await turns()
    futures += [batcher.put(1), batcher.put(2)]
    with pytest.raises(Unavailable):
        await batcher.put(3)
    flushes.open.set()
    assert await asyncio.gather(*futures) == [0, 2, 4]
    assert await batcher.put(3) == 6


async def test_when_the_database_hangs_all_who_wait_are_told_at_once() -> None:
    flushes = Flushes(held=True)
    flushes.bad[1] = TimeoutError()
    batcher = Batcher(flushes, concurrency=1, max_items=1)
    futures = [batcher.put(1)]
    await turns()
    futures += [batcher.put(2), batcher.put(3)]
    flushes.open.set()
    answers = await asyncio.gather(*futures, return_exceptions=True)
    assert [type(answer) for answer in answers] == [TimeoutError] * 3
    assert flushes.batches == [[1]]
    assert await batcher.put(4) == 8


async def test_join_waits_for_all_that_was_put() -> None:
    flushes = Flushes(held=True)
    batcher = Batcher(flushes, max_items=1)
    futures = [batcher.put(n) for n in range(5)]
    joining = asyncio.create_task(batcher.join())
    await turns()
    assert not joining.done()
    flushes.open.set()
    await joining
    assert [future.result() for future in futures] == [0, 2, 4, 6, 8]
