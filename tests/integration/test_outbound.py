"""The way out, against real servers on loopback: what is not allowed there must never see a connection."""

import asyncio
import gzip
import itertools
import shutil
import ssl
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from names import Names
from service.errors import LavoriError, OutboundFailed, OutboundRefused, TooLarge
from service.web.outbound import PORTS, OutboundClient, Patience

MIB = 1 << 20
HASTY = Patience(connect=0.5, answer=0.3, stall=0.3, least=1024, total=1.0)
SINK = "192.175.48.1"  # public, and there to swallow what nobody should have sent (RFC 7535)
# All are this machine, or lead to it, if anyone follows them; {port} is the canary's.
HOSTILE = (
    "http://127.0.0.1:{port}/", "http://127.0.0.2:{port}/", "http://127.255.255.254:{port}/", "http://localhost:{port}/",
    "http://LOCALHOST:{port}/", "http://localhost.:{port}/",
    "http://0.0.0.0:{port}/", "http://0:{port}/", "http://127.1:{port}/",
    "http://127.0.1:{port}/", "http://2130706433:{port}/", "http://017700000001:{port}/", "http://0177.0.0.1:{port}/",
    "http://0177.0.0.01:{port}/", "http://0x7f000001:{port}/", "http://0x7f.0x0.0x0.0x1:{port}/", "http://0x7f.1:{port}/",
    "http://0X7F000001:{port}/", "http://127.0.0.01:{port}/", "http://127.0.0.1.:{port}/", "http://127.00.00.01:{port}/",
    "http://4294967295:{port}/", "http://[::1]:{port}/", "http://[0:0:0:0:0:0:0:1]:{port}/",
    "http://[0000::0001]:{port}/", "http://[::]:{port}/", "http://[::1%25lo]:{port}/", "http://[::1%lo]:{port}/",
    "http://[fe80::1%25lo]:{port}/", "http://[::ffff:127.0.0.1]:{port}/", "http://[::ffff:7f00:1]:{port}/",
    "http://[0:0:0:0:0:ffff:127.0.0.1]:{port}/", "http://[::127.0.0.1]:{port}/", "http://[::ffff:0.0.0.0]:{port}/",
    "http://[::ffff:0:127.0.0.1]:{port}/", "http://[64:ff9b::127.0.0.1]:{port}/", "http://[64:ff9b::7f00:1]:{port}/",
    "http://[2002:7f00:1::]:{port}/", "http://[2001:0:7f00:1::]:{port}/", "http://[fec0::1]:{port}/",
    "http://①②⑦.⓪.⓪.①:{port}/", "http://127\u30020\u30020\u30021:{port}/", "http://127\uff0e0\uff0e0\uff0e1:{port}/",
    "http://\uff11\uff12\uff17.0.0.1:{port}/", "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:{port}/", "http://%6c%6f%63alhost:{port}/",
    "http://%31%32%37.0.0.1:{port}/", "http://localhost%00.example.com:{port}/", "http://127.0.0.1:{port}#@example.com/",
    "http://127.0.0.1:{port}?@example.com/", "http://example.com@127.0.0.1:{port}/", "http://a:b@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}\\@example.com/", "http://example.com\\@127.0.0.1:{port}/", "http://127.0.0.1\t:{port}/",
    "http://127.0.0.1:{port}/../x", "https://127.0.0.1:{port}/", "HTTP://127.0.0.1:{port}/",
    "http:\\\\127.0.0.1:{port}/",
    "http:///127.0.0.1:{port}/", "http:127.0.0.1:{port}/", "//127.0.0.1:{port}/", "///127.0.0.1:{port}/",
    "file://127.0.0.1:{port}/", "ftp://127.0.0.1:{port}/", "gopher://127.0.0.1:{port}/_GET", "ws://127.0.0.1:{port}/",
    "http://loop.example:{port}/", "http://loop6.example:{port}/", "http://private.example:{port}/",
    "http://mapped.example:{port}/", "http://metadata.example:{port}/",
)  # fmt: skip
ODD_NAMES = {
    "localhost.": [["127.0.0.1"]],
    "loop.example": [["127.0.0.1"]],
    "loop6.example": [["::1"]],
    "private.example": [["10.0.0.1", "192.168.0.1", "127.0.0.1"]],
    "mapped.example": [["::ffff:127.0.0.1"]],
    "metadata.example": [["169.254.169.254"]],
}
# In a redirect these lead back to where they came from.
RELATIVE = {
    "http:127.0.0.1:{port}/",
    "http:///127.0.0.1:{port}/",
    "///127.0.0.1:{port}/",
    "http:\\\\127.0.0.1:{port}/",
}


@dataclass
class Canary:
    """A server that counts connections, before a byte is said."""

    port: int = 0
    connections: int = 0
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def answer(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")
        await writer.drain()


@pytest.fixture
async def canary() -> AsyncIterator[Canary]:
    """The canary, on every address of this machine."""
    made = Canary()
    async with await asyncio.start_server(made.answer, "0.0.0.0", 0) as server:
        made.port = server.sockets[0].getsockname()[1]
        async with await asyncio.start_server(made.answer, "::", made.port):
            yield made
            for writer in made.writers:
                writer.close()
                with suppress(ConnectionError):
                    await writer.wait_closed()


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


def names_of(form: str) -> Names | None:
    """The test's own DNS where a form needs one; else the machine's, which knows localhost and odd numbers."""
    return Names(ODD_NAMES) if ".example:" in form or "localhost.:" in form else None


async def body(client: OutboundClient, url: str, limit: int = MIB) -> bytes:
    async with client.get(url) as response:
        assert response.status == 200
        return b"".join([chunk async for chunk in response.iter_chunks(limit)])


async def test_a_public_name_is_an_address_that_is_asked_for_once(canary: Canary) -> None:
    names = Names({"files.example": [["127.0.0.1"]]})
    client = allowing(f"http://files.example:{canary.port}", names=names)
    assert await body(client, f"http://files.example:{canary.port}/x") == b"secret"
    assert names.asked == ["files.example"]
    assert canary.connections == 1  # so that zero means something below


@pytest.mark.parametrize("form", HOSTILE)
async def test_no_form_of_a_url_reaches_this_machine(canary: Canary, form: str) -> None:
    client = OutboundClient([], patience=HASTY, ports=[80, canary.port], resolver=names_of(form))
    with pytest.raises(OutboundRefused):
        await body(client, form.format(port=canary.port))
    assert canary.connections == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.fault("F34", "a redirect to this machine")
async def test_a_redirect_is_checked_like_a_first_address(canary: Canary, status: int) -> None:
    async def redirect(request: web.Request) -> web.Response:
        if "to" not in request.query:
            return web.Response(text="back here: the address was a relative one")
        return web.Response(status=status, headers={"Location": request.query["to"]})

    ends: dict[str, str] = {}
    async with origin(redirect) as url:
        for form in HOSTILE:
            client = allowing(url, ports=[80, canary.port], names=names_of(form))
            to = form.format(port=canary.port)
            try:
                ends[form] = (await body(client, str(URL(url).with_query(to=to)))).decode()
            except (OutboundRefused, OutboundFailed) as error:
                ends[form] = error.code
    assert canary.connections == 0
    assert {form for form, end in ends.items() if end != "outbound_refused"} == RELATIVE


@pytest.mark.fault("F34", "a name whose address changes")
async def test_a_name_whose_address_changes_is_judged_by_the_one_that_is_connected_to(canary: Canary) -> None:
    names = Names({"flip.example": [[SINK], ["127.0.0.1"]], "both.example": [[SINK, "127.0.0.1", "::1"]]})
    client = OutboundClient([], patience=HASTY, ports=[canary.port], resolver=names)
    for code in ("outbound_failed", "outbound_refused", "outbound_refused"):
        with pytest.raises(LavoriError) as refused:
            await body(client, f"http://flip.example:{canary.port}/")
        assert refused.value.code == code
    with pytest.raises(OutboundFailed):
        await body(client, f"http://both.example:{canary.port}/")
    assert names.asked == ["flip.example"] * 3 + ["both.example"]
    assert canary.connections == 0


async def test_an_allowed_pair_opens_that_host_and_port_as_written_and_no_other(canary: Canary) -> None:
    names = Names({"intranet.example": [["127.0.0.1"]], "other.example": [["127.0.0.1"]]})
    client = OutboundClient(
        [("intranet.example", canary.port), ("::1", canary.port)], resolver=names, ports=PORTS
    )
    assert await body(client, f"http://INTRANET.example:{canary.port}/") == b"secret"
    assert await body(client, f"http://[0:0:0:0:0:0:0:1]:{canary.port}/") == b"secret"
    for url in (
        "http://other.example",
        "http://127.0.0.1",
        "http://intranet.example.",
        "http://[::ffff:127.0.0.1]",
    ):
        with pytest.raises(OutboundRefused):
            await body(client, f"{url}:{canary.port}/")
    with pytest.raises(OutboundRefused):
        await body(client, "http://intranet.example:8080/")
    assert canary.connections == 2


@pytest.mark.fault("F34", "a loop of redirects")
async def test_a_redirect_loop_ends_after_five(canary: Canary) -> None:
    seen = []

    async def loop(request: web.Request) -> web.Response:
        seen.append(request.path)
        return web.Response(status=302, headers={"Location": f"/{len(seen)}"})

    async with origin(loop) as url:
        with pytest.raises(OutboundFailed, match="redirects more than 5 times"):
            await body(allowing(url), url)
    assert seen == ["/", "/1", "/2", "/3", "/4", "/5"]


async def test_credentials_stay_at_the_origin_that_they_were_given_for() -> None:
    seen: list[tuple[str, dict[str, str]]] = []
    given = {
        "Authorization": "Bearer s3cret",
        "Cookie": "a=s3cret",
        "X-Api-Key": "s3cret",
        "user-agent": "s3cret",
    }

    async def second(request: web.Request) -> web.Response:
        seen.append(("second", dict(request.headers)))
        if request.path == "/":
            return web.Response(status=302, headers={"Location": "/here", "Set-Cookie": "b=2"})
        return web.Response(
            status=302, headers={"Location": request.query.get("back") or first_url + "/back"}
        )

    async def first(request: web.Request) -> web.Response:
        seen.append(("first", dict(request.headers)))
        if request.path == "/":
            return web.Response(status=302, headers={"Location": "/here", "Set-Cookie": "b=2"})
        if request.path == "/here":
            return web.Response(status=302, headers={"Location": second_url})
        return web.Response(text="back")

    async with (
        origin(first) as first_url,
        origin(second) as second_url,
        allowing(first_url, second_url).get(first_url, given) as response,
    ):
        assert response.status == 200
    assert [name for name, _ in seen] == ["first", "first", "second", "second", "first"]
    assert [sum("s3cret" in value for value in headers.values()) for _, headers in seen] == [4, 4, 0, 0, 0]
    assert not any("b=2" in headers.get("Cookie", "") for _, headers in seen)


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [
        (301, "POST", "GET"), (302, "POST", "GET"), (303, "POST", "GET"), (303, "PUT", "GET"), (303, "HEAD", "HEAD"),
        (301, "PUT", "PUT"), (302, "DELETE", "DELETE"), (307, "POST", "POST"), (308, "PATCH", "PATCH"),
    ],
)  # fmt: skip
async def test_a_redirect_keeps_method_and_body_as_browsers_do(status: int, method: str, then: str) -> None:
    seen: list[tuple[str, bytes, str | None, str | None]] = []

    async def first(request: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": f"{second_url}/next"})

    async def second(request: web.Request) -> web.Response:
        headers = request.headers
        seen.append(
            (request.method, await request.read(), headers.get("Content-Type"), headers.get("X-Api-Key"))
        )
        return web.Response()

    given = {"Content-Type": "text/odd", "X-Api-Key": "s3cret"}
    async with (
        origin(first) as first_url,
        origin(second) as second_url,
        allowing(first_url, second_url).request(method, first_url, given, b"a body") as response,
    ):
        assert response.status == 200
    kept = then != "GET" and then == method
    assert seen == [(then, b"a body" if kept else b"", "text/odd" if kept else None, None)]


@pytest.mark.parametrize("location", ["file:///etc/passwd", "mailto:a@example.org", "http://["])
async def test_a_redirect_to_what_is_no_address_is_refused(location: str) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": location})

    async with origin(handler) as url:
        with pytest.raises(OutboundRefused):
            await body(allowing(url), url)


async def test_proxies_and_passwords_of_the_environment_are_not_used(
    canary: Canary, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")
    monkeypatch.setenv("no_proxy", "")
    (tmp_path / "netrc").write_text("default login anna password s3cret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))

    async def plain(request: web.Request) -> web.Response:
        return web.Response(text=request.headers.get("Authorization", "none"))

    async with origin(plain) as url:
        assert await body(allowing(url), url) == b"none"
    assert canary.connections == 0


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


async def test_a_call_that_is_cancelled_ends_at_once() -> None:
    async with saying(dripping(b"", b"")) as url:
        calling = asyncio.create_task(body(allowing(url, patience=Patience()), url))
        await asyncio.sleep(0.1)
        calling.cancel()
        began = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await calling
        assert time.monotonic() - began < 0.5
