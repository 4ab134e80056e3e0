"""An S3 server of the tests' own (moto), what it keeps, and a proxy before it that spoils what passes."""

import asyncio
import os
import re
import socket
import sys
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

BUCKET = "lavori"
REFUSED = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
FULL = b"HTTP/1.1 507 Insufficient Storage\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """A running server with one bucket."""

    port: int

    async def unfinished(self) -> int:
        """How many multipart uploads were begun and neither completed nor aborted."""
        url = f"http://127.0.0.1:{self.port}/{BUCKET}?uploads"
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return (await response.text()).count("<Upload>")


@asynccontextmanager
async def object_store(folder: Path) -> AsyncIterator[ObjectStore]:
    """Run a server on a free port, with its bucket made."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (folder / "moto.log").open("wb") as log:
        server = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)),
            stdout=log,
            stderr=log,
            env=os.environ | {"MOTO_S3_DEFAULT_KEY_BUFFER_SIZE": "0"},
        )
    try:
        async with asyncio.timeout(60), aiohttp.ClientSession() as session:
            while True:
                with suppress(aiohttp.ClientConnectionError):
                    async with session.put(f"http://127.0.0.1:{port}/{BUCKET}") as made:
                        assert made.status == 200
                        break
                await asyncio.sleep(0.05)
        yield ObjectStore(port)
    finally:
        server.terminate()
        await server.wait()


@dataclass(slots=True)
class Spoiler:
    """A proxy before a server on loopback. The first `times` requests that match `match` are spoilt in a way.

    `answer` is sent instead of being passed on; `cut_after` bytes of the answer come, then a reset; `silent` says
    nothing at all. `seen` has the first line of each request.
    """

    target: int
    match: str = "."
    times: int = 1_000_000
    answer: bytes | None = None
    cut_after: int | None = None
    silent: bool = False
    seen: list[str] = field(default_factory=list)
    spoilt: int = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[int]:
        """Serve on a free port, which is given."""
        connections: set[asyncio.Task[None]] = set()

        def accept(reader: StreamReader, writer: StreamWriter) -> None:
            connections.add(asyncio.create_task(self._serve(reader, writer)))

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for connection in connections:
                connection.cancel()
            await asyncio.gather(*connections, return_exceptions=True)

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        """One connection: a request is known by its first line, which begins what a client sends at once."""
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.target)
        cut: list[int | None] = [None]  # how many bytes of answers may still pass
        passing = asyncio.create_task(self._pass_answers(up_reader, writer, cut))
        try:
            while chunk := await reader.read(1 << 18):
                if found := re.match(rb"(?:GET|PUT|POST|HEAD|DELETE) [^\r\n]* HTTP/1\.1(?=\r\n)", chunk):
                    line = found[0].decode()
                    self.seen.append(line)
                    if re.search(self.match, line) and self.spoilt < self.times:
                        self.spoilt += 1
                        if self.answer is not None:
                            await _read_whole(reader, chunk)
                            writer.write(self.answer)
                            await writer.drain()
                            return
                        if self.silent:
                            await asyncio.Event().wait()
                        cut[0] = self.cut_after
                up_writer.write(chunk)
                await up_writer.drain()
        except ConnectionError:
            pass
        finally:
            passing.cancel()
            up_writer.transport.abort()
            writer.close()

    @staticmethod
    async def _pass_answers(reader: StreamReader, writer: StreamWriter, cut: list[int | None]) -> None:
        with suppress(ConnectionError):
            while chunk := await reader.read(1 << 16):
                if cut[0] is not None:
                    cut[0] -= len(chunk)
                    if cut[0] < 0:
                        writer.transport.abort()
                        return
                writer.write(chunk)
                await writer.drain()
            writer.close()


async def _read_whole(reader: StreamReader, begun: bytes) -> None:
    """Read the rest of a request: who is answered before it has sent all may not see the answer."""
    head, _, body = begun.partition(b"\r\n\r\n")
    if found := re.search(rb"content-length: (\d+)", head, re.IGNORECASE):
        await reader.readexactly(int(found[1]) - len(body))
