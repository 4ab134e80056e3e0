"""Work of a job type in a process of its own; service/sandbox/process.py says how, and what may be run there.

    async with sandboxed(parse, str(path), memory=512 * MIB) as items:
        async for item in items:
            ...

The worker's loop goes on beating beside it. The work's bad end is the job's: a JobFailed of the same code and message.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import aclosing, asynccontextmanager

from service.jobs.jobtype import JobFailed
from service.sandbox import process
from service.sandbox.process import MIB, SandboxFailed


@asynccontextmanager
async def sandboxed(
    function: Callable[..., Iterable[bytes]],
    *args: object,
    memory: int = 512 * MIB,
    largest_file: int | None = None,
) -> AsyncIterator[AsyncIterator[bytes]]:
    """Run `function(*args)` in a child process with at most `memory` bytes of data, and give what it yields.

    It writes no file larger than `largest_file` bytes.

    Reading the items raises JobFailed: with the code and message of a Refusal that the function raised, with
    `out_of_memory`, or with `process_failed` for any other exception and for a child that crashed.
    """
    async with (
        process.sandboxed(function, *args, memory=memory, largest_file=largest_file) as items,
        aclosing(_told(items)) as told,
    ):
        yield told


async def _told(items: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    try:
        async for item in items:
            yield item
    except SandboxFailed as failed:
        raise JobFailed(failed.code, failed.message, retryable=failed.retryable) from failed
