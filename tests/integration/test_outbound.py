"""Where the way out leads, against real servers on loopback: what is not allowed must never see a connection."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from yarl import URL

from names import Names
from outbound_origins import HASTY, allowing, body, origin
from service.errors import LavoriError, OutboundFailed, OutboundRefused
from service.web.outbound import PORTS, OutboundClient, Patience

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


def names_of(form: str) -> Names | None:
    """The test's own DNS where a form needs one; else the machine's, which knows localhost and odd numbers."""
    return Names(ODD_NAMES) if ".example:" in form or "localhost.:" in form else None


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
            client = allowing(url, patience=Patience(), ports=[80, canary.port], names=names_of(form))
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
