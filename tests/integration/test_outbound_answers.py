"""What comes back over the way out, from servers on loopback: too much, too slowly, broken, badly signed."""

import asyncio
import gzip
import shutil
import ssl
import time
import tracemalloc
import zlib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from names import Names
from outbound_origins import HASTY, MIB, allowing, body, dripping, origin, saying
from service.errors import LavoriError, OutboundFailed, OutboundRefused, TooLarge
from service.web.outbound import OutboundClient, Patience


@pytest.mark.fault("F34", "an endless body")
async def test_an_endless_body_ends_at_the_limit() -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with suppress(ConnectionError):
            while True:
                await response.write(b"x" * 65536)
        return response

    async with origin(endless) as url:
        with pytest.raises(TooLarge):
            await body(allowing(url), url)


async def test_a_body_of_exactly_the_limit_is_taken_and_one_that_says_it_is_larger_is_not_begun() -> None:
    async def sized(request: web.Request) -> web.Response:
        return web.Response(body=b"x" * int(request.path[1:]))

    async with origin(sized) as url:
        assert len(await body(allowing(url), f"{url}/5000", 5000)) == 5000
        with pytest.raises(TooLarge, match="exceeds the limit of 5000 bytes"):
            await body(allowing(url), f"{url}/5001", 5000)
    async with saying(dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 5001\r\n\r\nx", b"")) as url:
        with pytest.raises(TooLarge):
            await body(allowing(url), url, 5000)


@pytest.mark.parametrize("packing", ["gzip", "deflate"])
@pytest.mark.fault("F33", "gzip, deflate and brotli bombs in an answer")
async def test_a_bomb_is_counted_unpacked_and_never_unpacked_whole(packing: str) -> None:
    zeros = bytes(256 * MIB)
    bomb = gzip.compress(zeros, 9) if packing == "gzip" else zlib.compress(zeros, 9)
    del zeros

    async def packed(request: web.Request) -> web.Response:
        return web.Response(body=bomb, headers={"Content-Encoding": packing})

    async with origin(packed) as url:
        tracemalloc.start()
        try:
            with pytest.raises(TooLarge):
                await body(allowing(url), url)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 16 * MIB


async def test_a_packed_body_that_is_no_bomb_comes_unpacked() -> None:
    async def packed(request: web.Request) -> web.Response:
        assert request.headers["Accept-Encoding"] == "identity"
        return web.Response(body=gzip.compress(b"hello"), headers={"Content-Encoding": "gzip"})

    async with origin(packed) as url:
        assert await body(allowing(url), url) == b"hello"


@pytest.mark.parametrize(
    ("before", "drip"),
    [
        (b"", b""),
        (b"", b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\nbegun", b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\nbegun", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ],
    ids=["silent", "drips headers", "stops in the body", "drips a body", "drips chunks"],
)
@pytest.mark.alone
@pytest.mark.fault("F34", "a server that drips")
async def test_a_server_that_dawdles_is_left(before: bytes, drip: bytes) -> None:
    async with saying(dripping(before, drip)) as url:
        began = time.monotonic()
        with pytest.raises(OutboundFailed, match="takes too long"):
            await body(allowing(url), url)
        assert time.monotonic() - began < 0.9  # the stall's or the answer's time, before the total is over


async def test_a_body_that_keeps_coming_ends_when_all_its_time_is_over() -> None:
    async def steady(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with suppress(ConnectionError):
            while True:
                await response.write(b"x" * 2048)
                await asyncio.sleep(0.02)
        return response

    async with origin(steady) as url:
        began = time.monotonic()
        with pytest.raises(OutboundFailed, match="takes too long"):
            await body(allowing(url), url)
        assert 0.9 < time.monotonic() - began < 3


async def test_time_that_the_taker_of_a_body_needs_is_not_the_servers() -> None:
    async def plain(request: web.Request) -> web.Response:
        return web.Response(body=b"x" * MIB)

    async with (
        origin(plain) as url,
        allowing(url, patience=replace(HASTY, least=2 * MIB)).get(url) as response,
    ):
        size = 0
        async for chunk in response.iter_chunks(2 * MIB):
            if not size:
                await asyncio.sleep(2 * HASTY.stall)
            size += len(chunk)
    assert size == MIB


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", "breaks off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n", "breaks off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n", "broken"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nplain", "broken"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 5\r\n\r\nplain", "broken"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "broken"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", "broken"),
        (b"", "broken"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\n\r\n", "not valid"),
    ],
)
async def test_a_broken_answer_is_told_in_words(answer: bytes, words: str) -> None:
    async def broken(writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    async with saying(broken) as url:
        with pytest.raises(LavoriError, match=words) as told:
            await body(allowing(url), url)
        assert isinstance(told.value, OutboundFailed | OutboundRefused)


async def test_what_cannot_be_reached_is_told_without_numbers() -> None:
    names = Names({"closed.example": [["127.0.0.1"]], "private.example": [["10.1.2.3"]]})
    async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
    client = OutboundClient([("closed.example", port)], patience=HASTY, resolver=names)
    with pytest.raises(OutboundFailed, match=r"^closed\.example cannot be reached$"):
        await body(client, f"http://closed.example:{port}/")
    with pytest.raises(OutboundFailed, match=r"^there is no host none\.example, or it cannot be found now$"):
        await body(client, "http://none.example/")
    with pytest.raises(OutboundRefused, match=r"^private\.example is not on the public Internet$"):
        await body(client, "http://private.example/")
    with pytest.raises(OutboundRefused, match="not a valid host"):
        await body(OutboundClient([]), "http://" + "a" * 64 + ".example/")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificate with openssl")
async def test_a_certificate_must_be_good_for_its_host(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = await asyncio.create_subprocess_exec(
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
        "-subj", "/CN=x", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate),
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert await made.wait() == 0
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    requests = []

    async def plain(request: web.Request) -> web.Response:
        requests.append(request.path)
        return web.Response()

    async with origin(plain, context) as url:
        with pytest.raises(OutboundFailed, match="no secure connection"):
            await body(allowing(url), url)
    async with origin(plain) as url:
        with pytest.raises(OutboundFailed, match="no secure connection"):
            await body(allowing(url), url.replace("http:", "https:"))
    assert requests == []


@pytest.mark.alone
async def test_a_call_that_is_cancelled_ends_at_once() -> None:
    async with saying(dripping(b"", b"")) as url:
        calling = asyncio.create_task(body(allowing(url, patience=Patience()), url))
        await asyncio.sleep(0.1)
        calling.cancel()
        began = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await calling
        assert time.monotonic() - began < 0.5
