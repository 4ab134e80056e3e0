"""CPU-bound work, or work on hostile bytes, in a process of its own: the event loop goes on turning beside it.

    async with sandboxed(parse, str(path), memory=512 * MIB) as items:
        async for item in items:
            ...

`parse` is a module's function whose arguments are plain JSON values and which yields bytes. Nothing is pickled: what
comes back is bytes, and the caller decides what they mean. A full pipe holds the child back. The child is killed when
the block is left, in whatever way; it kills itself when this process is gone. It sees none of this process's
environment but the paths. Its end without a last word (os._exit, a signal, no memory) is a SandboxFailed.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import cast

import orjson

from service.sandbox.child import ENDED, HEADER, ITEM, LARGEST_ITEM, OUT_OF_MEMORY, REFUSED
from service.sandbox.child import main as child_main

MIB = 1 << 20
READ_AHEAD = MIB  # asyncio buffers twice this much, then stops reading, and the child waits

# The spec comes by stdin and not as arguments, so that the process list shows nothing of the job, and nothing that
# could be taken for a worker.
BOOT = (
    "import importlib, json, sys; spec = json.loads(sys.stdin.buffer.readline()); "
    "sys.path[:] = spec['sys_path']; importlib.import_module(spec['main']).main(spec)"
)
PASSED_ON = ("PATH", "HOME", "TMPDIR", "TZ", "LANG", "LC_ALL", "LD_LIBRARY_PATH")


class SandboxFailed(Exception):
    """The work did not end well. `message` is for people; `retryable` says that it may go well another time."""

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        self.code, self.message, self.retryable = code, message, retryable
        super().__init__(message)


@asynccontextmanager
async def sandboxed(
    function: Callable[..., Iterable[bytes]],
    *args: object,
    memory: int = 512 * MIB,
    largest_file: int | None = None,
) -> AsyncIterator[AsyncIterator[bytes]]:
    """Run `function(*args)` in a child process, and give what it yields.

    It has at most `memory` bytes of data, and writes no file larger than `largest_file` bytes.

    Reading the items raises SandboxFailed: with the code and message of a Refusal that the function raised, with
    `out_of_memory`, or with `process_failed` for any other exception and for a child that crashed.
    """
    spec = {
        "sys_path": sys.path,
        "main": child_main.__module__,
        "function": [function.__module__, function.__qualname__],
        "args": args,
        "memory": memory,
        "largest_file": largest_file,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", BOOT),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=READ_AHEAD,
        env={name: os.environ[name] for name in PASSED_ON if name in os.environ},
        start_new_session=True,  # the terminal's Ctrl-C is for the one that owns the child
    )
    items = _items(process, orjson.dumps(spec) + b"\n")
    try:
        yield items
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await items.aclose()
        await _bury(process)


async def _items(process: asyncio.subprocess.Process, spec: bytes) -> AsyncGenerator[bytes, None]:
    stdin = cast("asyncio.StreamWriter", process.stdin)  # both are pipes
    stdout = cast("asyncio.StreamReader", process.stdout)
    with contextlib.suppress(ConnectionError):  # a child that died at once is told of below
        stdin.write(spec)
        await stdin.drain()
    while True:
        try:
            kind, length = HEADER.unpack(await stdout.readexactly(HEADER.size))
            if length > LARGEST_ITEM:
                raise SandboxFailed("process_failed", "The process that did the work sent more than it may.")
            body = await stdout.readexactly(length)
        except asyncio.IncompleteReadError:
            raise _crashed(await process.wait()) from None
        if kind == ENDED:
            return
        if kind != ITEM:
            raise _failed(kind, body)
        yield body


def _failed(kind: int, body: bytes) -> SandboxFailed:
    if kind == REFUSED:
        refusal = orjson.loads(body)
        return SandboxFailed(refusal["code"], refusal["message"])
    if kind == OUT_OF_MEMORY:
        return SandboxFailed("out_of_memory", "The work needs more memory than its process may have.")
    return SandboxFailed(
        "process_failed", f"The work failed in its own process: {body.decode(errors='replace')}."
    )


def _crashed(returncode: int) -> SandboxFailed:
    how = f"was killed by signal {-returncode}" if returncode < 0 else f"ended with code {returncode}"
    return SandboxFailed("process_failed", f"The process that did the work {how}.", retryable=True)


async def _bury(process: asyncio.subprocess.Process) -> None:
    """Read what is left and reap it, so that neither a zombie nor an open pipe stays."""
    if process.stdin is not None:
        process.stdin.close()
    if process.stdout is not None:
        while await process.stdout.read(READ_AHEAD):
            pass
    await process.wait()
