"""A TCP proxy that misbehaves as it is told: cut, half-open, slow, cut after so many bytes, a lost answer to COMMIT."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

COMMIT = b"COMMIT\0"
COPY_DONE = b"c\0\0\0\x04"
COMMITTED = b"C\x00\x00\x00\x0bCOMMIT\0"


class FaultyProxy:
    """Leads from a port of its own to another one. Each fault holds until `mend`, for old connections and new ones."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._writers: set[asyncio.StreamWriter] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self._is_cut = False
        self.delay_seconds = 0.0
        self.copy_done_seconds = 0.0  # the end of a COPY comes so much after its rows
        self.cut_after: int | None = None  # so many bytes from the server, over all connections
        self.lose_answer_to: bytes | None = (
            None  # the next statement with this text loses its answer, and the connection
        )
        self.lost = 0
        self.port = 0

    def cut(self) -> None:
        """Reset all connections, and each new one."""
        self._is_cut = True
        self._reset_all()

    def freeze(self) -> None:
        """Half-open: whoever is connected hears nothing more, and no end either; new connections are taken the same."""
        self._flows.clear()

    def mend(self) -> None:
        """Let all through again; what was frozen meanwhile is reset, as a lost path's connections are in the end."""
        if not self._flows.is_set():
            self._reset_all()
        self._is_cut, self.delay_seconds, self.cut_after, self.lose_answer_to = False, 0.0, None, None
        self.copy_done_seconds = 0.0
        self._flows.set()

    def _reset_all(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self._writers.add(writer)
        try:
            if self._is_cut:
                writer.transport.abort()
                return
            there_reader, there = await asyncio.open_connection(*self._target)
            self._writers.add(there)
            doomed = asyncio.Event()
            await asyncio.gather(
                self._pump(reader, there, doomed, is_answer=False),
                self._pump(there_reader, writer, doomed, is_answer=True),
            )
            self._writers.discard(there)
        finally:
            self._writers.discard(writer)

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        doomed: asyncio.Event,
        *,
        is_answer: bool,
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                await self._flows.wait()
                if self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                if self.copy_done_seconds and not is_answer and data.endswith(COPY_DONE):
                    writer.write(data.removesuffix(COPY_DONE))
                    await writer.drain()
                    await asyncio.sleep(self.copy_done_seconds)
                    data = COPY_DONE
                if not is_answer and self.lose_answer_to is not None and self.lose_answer_to in data:
                    self.lose_answer_to = None
                    doomed.set()
                elif is_answer and doomed.is_set():
                    self.lost += 1
                    break
                if is_answer and self.cut_after is not None:
                    data, self.cut_after = data[: self.cut_after], self.cut_after - len(data)
                    if self.cut_after <= 0:
                        writer.write(data)
                        self.cut_after = None
                        break
                writer.write(data)
                await writer.drain()
            else:
                writer.close()
                return
        writer.transport.abort()


@asynccontextmanager
async def faulty_proxy(url: str) -> AsyncIterator[tuple[FaultyProxy, str]]:
    """A proxy before the server of `url`, and the url that leads through it."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    proxy = FaultyProxy(parts.hostname, parts.port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    netloc = parts.netloc.rpartition("@")
    try:
        yield proxy, urlunsplit(parts._replace(netloc=f"{netloc[0]}{netloc[1]}127.0.0.1:{proxy.port}"))
    finally:
        server.close()
        proxy.mend()
        proxy.cut()
        await server.wait_closed()
