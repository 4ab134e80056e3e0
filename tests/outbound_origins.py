"""Servers on loopback that the way out is tried against, and clients that may reach them."""

import asyncio
import itertools
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, closing, suppress

from aiohttp import web
from aiohttp.test_utils import TestServer

from names import Names
from service.web.outbound import PORTS, OutboundClient, Patience

MIB = 1 << 20
HASTY = Patience(connect=0.5, answer=0.3, stall=0.3, least=1024, total=1.0)
Saying = Callable[[asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def saying(say: Saying) -> AsyncIterator[str]:
    """A server on loopback that says what it likes once it was asked, then hangs up; its URL."""
    talks = set[asyncio.Task[None]]()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        with closing(writer), suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            await say(writer)

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


def dripping(before: bytes, drip: bytes) -> Saying:
    """Say `before` at once, then `drip` over and over, a byte each 20 ms; never hang up."""

    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(before)
        for byte in itertools.cycle(drip):
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.02)
        await asyncio.Event().wait()

    return say


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def origin(handler: Handler, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A server on loopback, as its URL without the last slash."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    server = TestServer(application, host="127.0.0.1")
    await server.start_server(ssl=context)
    try:
        yield str(server.make_url("")).rstrip("/")
    finally:
        await server.close()


def allowing(
    *urls: str, patience: Patience = HASTY, ports: Collection[int] = PORTS, names: Names | None = None
) -> OutboundClient:
    """A client that may reach the hosts and ports of these URLs."""
    pairs = [url.removeprefix("http://").removeprefix("https://").split(":") for url in urls]
    allow = [(host, int(port)) for host, port in pairs]
    return OutboundClient(allow, patience=patience, ports=ports, resolver=names)


async def body(client: OutboundClient, url: str, limit: int = MIB) -> bytes:
    """What a good answer holds."""
    async with client.get(url) as response:
        assert response.status == 200
        return b"".join([chunk async for chunk in response.iter_chunks(limit)])
