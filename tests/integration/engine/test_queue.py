"""What lies in Redis: arq's own format, read with suspicion."""

import asyncio
import inspect
import pickle
import time
from typing import Any

import asyncpg
import orjson
import pytest
from arq import func
from arq.connections import ArqRedis
from arq.constants import job_key_prefix
from arq.jobs import Job, JobStatus, deserialize_job_raw
from arq.worker import Function, Worker

from ledger import add, row_of, until_status
from running import running_worker
from service.dev.embedded import Servers
from service.events.hub import CHANGED, pack
from service.jobs import queue
from service.jobs.jobtype import JobTypes
from service.settings import Settings
from workers.consumer import Consumer
from workers.run_job import run_job

LANE = queue.LANE.format(priority=1, tag="")


class Exploding:
    """Whoever unpickles this notices."""

    def __reduce__(self) -> Any:
        return (exec, ("raise SystemExit('executed')",))


POISON: dict[str, bytes] = {
    "pickle": pickle.dumps({"t": None, "f": "run_job", "a": (), "k": {}, "et": 0}),
    "pickle that acts": pickle.dumps(Exploding()),
    "junk": b"\x00\xff junk",
    "empty": b"",
    "no object": b"[1, 2]",
    "a number": b"7",
    "deep": b"[" * 5_000 + b"]" * 5_000,
    "nothing in it": b"{}",
    "foreign function": orjson.dumps({"t": None, "f": "os.system", "a": ["true"], "k": {}, "et": 0}),
    "function of no text": orjson.dumps({"t": None, "f": ["run_job"], "a": [], "k": {}, "et": 0}),
    "no args": orjson.dumps({"t": None, "f": "run_job", "a": [], "k": {}, "et": 0}),
    "args of no list": orjson.dumps({"t": None, "f": "run_job", "a": 5, "k": {}, "et": 0}),
    "too many args": orjson.dumps({"t": None, "f": "run_job", "a": ["a", "b"], "k": {}, "et": 0}),
    "an arg of no text": orjson.dumps({"t": None, "f": "run_job", "a": [{"x": 1}], "k": {}, "et": 0}),
    "no uuid": orjson.dumps({"t": None, "f": "run_job", "a": ["'; DROP TABLE jobs"], "k": {}, "et": 0}),
    "foreign kwargs": orjson.dumps({"t": None, "f": "run_job", "a": [], "k": {"job_id": 1}, "et": 0}),
    "kwargs of no object": orjson.dumps({"t": None, "f": "run_job", "a": [], "k": [1], "et": 0}),
}


@pytest.mark.parametrize("payload", list(POISON.values()), ids=list(POISON))
async def test_a_foreign_message_is_dropped_and_work_goes_on(
    pool: asyncpg.Pool, redis: ArqRedis, worker: asyncio.Event, payload: bytes
) -> None:
    await redis.set(job_key_prefix + "foreign", payload)
    await redis.zadd(LANE, {"foreign": 0})
    await redis.publish(queue.WAKE, "")
    async with asyncio.timeout(5):
        while await redis.zcard(LANE):
            await asyncio.sleep(0.02)
    await until_status(pool, await add(pool), "finished", seconds=3)
    assert await redis.exists(job_key_prefix + "foreign") == 0


@pytest.mark.parametrize("call", ["publish", "pubsub", "set"])
async def test_an_error_of_the_client_that_nobody_foresaw_ends_no_worker(
    pool: asyncpg.Pool, settings: Settings, job_types: JobTypes, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    raised: list[str] = []

    def broken(*_: object, **__: object) -> None:
        monkeypatch.undo()
        raised.append(call)
        raise AttributeError("'NoneType' object has no attribute 'feed'")

    monkeypatch.setattr(ArqRedis, call, broken)
    async with running_worker(settings, job_types):
        await until_status(pool, await add(pool), "finished")
        async with asyncio.timeout(10):
            while not raised:
                await asyncio.sleep(0.02)
        await until_status(pool, await add(pool), "finished")


async def test_a_loop_that_was_busy_for_longer_than_the_budget_loses_no_hint(
    pool: asyncpg.Pool, redis: ArqRedis, redis_url: str
) -> None:
    job_id = await add(pool)
    message = queue.Message.of(await row_of(pool, job_id))
    dispatcher = queue.Dispatcher(queue.connect(redis_url))
    async with redis.pubsub(ignore_subscribe_messages=True) as heard:
        await heard.subscribe(CHANGED)
        dispatcher.nudge(message)
        dispatcher.changed(job_id, 1)
        async with asyncio.timeout(5):
            while len(dispatcher.redis.connection_pool._in_use_connections) < 2:
                await asyncio.sleep(0)
            time.sleep(queue.OFFER_BUDGET_SECONDS + 0.2)  # noqa: ASYNC251 - that is the fault
            while (told := await heard.get_message(timeout=1)) is None:
                pass
        assert told["data"] == pack([(job_id, 1)])
    await dispatcher.close()
    assert await redis.zcard(LANE) == 1
    assert dispatcher.failed == 0


async def test_foreign_names_and_foreign_hints_are_dropped_too(
    pool: asyncpg.Pool, redis: ArqRedis, worker: asyncio.Event
) -> None:
    await redis.set(job_key_prefix.encode() + b"\xff\xfe", b"junk")
    await redis.zadd(LANE, {b"\xff\xfe": 0})
    await redis.zadd(LANE, {"without a record": 0})
    await redis.zadd("lavori:later", {"without a record either": 0})
    for channel in (queue.WAKE, queue.CANCEL):
        for data in (b"", b"\xff", b"x" * 100_000):
            await redis.publish(channel, data)
    await until_status(pool, await add(pool), "finished", seconds=3)
    async with asyncio.timeout(5):
        while await redis.zcard(LANE) or await redis.zcard("lavori:later"):
            await asyncio.sleep(0.02)


async def test_offering_twice_adds_nothing(pool: asyncpg.Pool, redis: ArqRedis) -> None:
    message = queue.Message.of(await row_of(pool, await add(pool)))
    assert await queue.offer(redis, [message]) == 1
    assert await queue.offer(redis, [message, message]) == 0
    assert await redis.zcard(LANE) == 1


async def test_arq_itself_reads_what_we_enqueue(pool: asyncpg.Pool, redis: ArqRedis) -> None:
    message = queue.Message.of(await row_of(pool, await add(pool)))
    await queue.offer(redis, [message])
    job = Job(message.name, redis, _queue_name=message.lane, _deserializer=orjson.loads)
    info = await job.info()
    assert info is not None
    assert info.function == queue.FUNCTION
    assert list(info.args) == [str(message.job_id)]
    assert info.kwargs == {}
    assert info.enqueue_time.year >= 2024
    payload = await redis.get(job_key_prefix + message.name)
    function, args, kwargs, _, _ = deserialize_job_raw(payload, deserializer=orjson.loads)
    assert function == queue.FUNCTION
    assert list(args) == [str(message.job_id)]
    assert kwargs == {}
    assert await job.status() in (JobStatus.queued, JobStatus.deferred, JobStatus.not_found)


def test_the_parts_of_arq_that_the_consumer_relies_on_are_there() -> None:
    """A new arq that changes these must not come in unseen; Consumer says why it replaces them."""
    taken = inspect.signature(Worker.__init__).parameters
    for name in ("functions", "queue_name", "redis_pool", "handle_signals", "max_jobs", "keep_result", "ctx"):
        assert name in taken, name
    assert {"job_serializer", "job_deserializer"} <= set(taken)
    assert inspect.iscoroutinefunction(Worker.main)
    assert list(inspect.signature(Worker.main).parameters) == ["self"]
    made = func(run_job, name=queue.FUNCTION)
    assert isinstance(made, Function)
    assert (made.name, made.coroutine) == (queue.FUNCTION, run_job)
    assert "main" in vars(Consumer)


async def test_the_consumer_is_an_arq_worker_with_our_one_function(
    settings: Settings, job_types: JobTypes, redis: ArqRedis, servers: Servers
) -> None:
    class Runtime:
        """As much of a runtime as the constructor looks at."""

        class slots:  # noqa: N801
            size = 7

        tags = None
        keeper = None

    consumer = Consumer(Runtime, redis)  # type: ignore[arg-type]
    assert list(consumer.functions) == [queue.FUNCTION]
    assert consumer.pool is redis
    assert (consumer.max_jobs, consumer.keep_result_s) == (7, 0)
    assert consumer.job_deserializer is orjson.loads
    assert consumer.ctx["runtime"] is Runtime
