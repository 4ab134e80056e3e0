"""The one way out: HTTP calls to addresses that users name, kept from reaching anything but the public Internet.

An address is judged where its socket is made (aiohttp's connector calls `socket_factory` once before each connection,
with the very numbers that it then connects to), not before: so literals, odd spellings, names whose DNS changes from
one question to the next, and redirects all pass the same check, and no socket exists for what is refused. Every
hop has a connector of its own: a connection that one address was allowed is never used for another.
"""

import asyncio
import re
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address

import structlog
from aiohttp import (
    AddrInfoType,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientSSLError,
    ClientTimeout,
    DummyCookieJar,
    InvalidURL,
    TCPConnector,
    ThreadedResolver,
)
from aiohttp.abc import AbstractResolver
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from service.errors import OutboundFailed, OutboundRefused, TooLarge
from service.telemetry.spans import Span, begin, current
from service.web.routable import is_public

log = structlog.get_logger()

PORTS = frozenset({80, 443, 8080, 8443})
MOST_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# They go wherever the body goes.
_OF_BODIES = frozenset({"content-type", "content-encoding", "content-language"})
_OF_RANGES = frozenset({"range", "if-range"})  # they say nothing of who asks
_CHUNK = 256 * 1024
_FAULTS = (ClientError, HttpProcessingError, OSError, ValueError)
_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?")
# Identity: a file is wanted as it is. A server that packs it all the same is unpacked, and counted unpacked.
_OWN_HEADERS = {"User-Agent": "Lavori", "Accept": "*/*", "Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a call may take, in seconds: `connect` with DNS and TLS, `answer` until the headers, each a hop.

    While its body comes, every `stall` seconds of waiting must bring `least` bytes: that ends a drip that no pause
    between two bytes would, and yet lets a large file take the time it needs. `total` is the end of it all.
    """

    connect: float = 10
    answer: float = 30
    stall: float = 30
    least: int = 30 * 1024
    total: float = 3600


class OutboundClient:
    """Makes calls; keeps nothing between them, neither cookies nor connections, and heeds no proxy variables."""

    def __init__(
        self,
        allow: Collection[tuple[str, int]],
        *,
        patience: Patience = Patience(),
        ports: Collection[int] = PORTS,
        resolver: AbstractResolver | None = None,
    ) -> None:
        """Open the public Internet on `ports`, and beside it exactly the pairs of host, as URLs write it, and port."""
        self._allow = frozenset((_plain_host(host), port) for host, port in allow)
        self._patience = patience
        self._ports = frozenset(ports)
        self._resolver = resolver

    def get(
        self, address: str, headers: Mapping[str, str] | None = None
    ) -> AbstractAsyncContextManager["OutboundResponse"]:
        """GET; all else is as `request` has it."""
        return self.request("GET", address, headers)

    @asynccontextmanager
    async def request(
        self,
        method: str,
        address: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        *,
        follow: bool = True,
    ) -> AsyncIterator["OutboundResponse"]:
        """Ask, over at most 5 redirects; `headers` go no further than the first origin.

        What a redirect makes of method and body is what browsers do: 307 and 308 keep both, the others ask anew with
        GET. Any status is an answer, that of a redirect too if it is not to `follow`. Raises OutboundRefused for what
        is forbidden, OutboundFailed for what did not work.
        """
        calling = _calling(method, address)
        try:
            async with self._request(method, address, headers, body, follow=follow) as response:
                if calling is not None:
                    calling.note({"http.response.status_code": response.status})
                yield response
        except BaseException as error:
            if calling is not None:
                calling.fail(type(error).__name__)
            raise
        finally:
            if calling is not None:
                calling.end()

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        address: str,
        headers: Mapping[str, str] | None,
        body: bytes | None,
        *,
        follow: bool,
    ) -> AsyncIterator["OutboundResponse"]:
        deadline = asyncio.get_running_loop().time() + self._patience.total
        url, given = _parsed(address), CIMultiDict(headers or {})
        allowed = self._check(url)
        for _ in range(MOST_REDIRECTS + 1):
            sent = CIMultiDict(_OWN_HEADERS)
            sent.update(given)
            async with self._hop(method, url, sent, body, deadline, allowed=allowed) as response:
                target = _target(url, response) if follow else None
                if target is None:
                    yield OutboundResponse(url, response, self._patience, deadline)
                    return
                status = response.status
            allowed = self._check(target)
            same = target.origin() == url.origin()
            if _asks_anew(status, method):
                method, body = "GET", None
            given = CIMultiDict(
                (name, value)
                for name, value in given.items()
                if (body is not None if name.lower() in _OF_BODIES else same or name.lower() in _OF_RANGES)
            )
            url = target
        raise OutboundFailed(f"{url.host} redirects more than {MOST_REDIRECTS} times")

    def check(self, address: str) -> None:
        """Raise OutboundRefused for an address that its form alone forbids, so that it would never be called."""
        self._check(_parsed(address))

    def _check(self, url: URL) -> bool:
        """Refuse what its form alone forbids; answers whether host and port are allowed wherever they lead."""
        if url.scheme not in ("http", "https"):
            raise OutboundRefused("only addresses that begin with http:// or https:// are called")
        if not url.host or url.raw_host is None or not _is_host(url.raw_host):
            raise OutboundRefused("the address names no host")
        if url.user is not None or url.password is not None:
            raise OutboundRefused("addresses with a user name or password in them are not called")
        if (_plain_host(url.raw_host), url.port) in self._allow:
            return True
        if url.port not in self._ports:
            ports = ", ".join(map(str, sorted(self._ports)))
            raise OutboundRefused(f"port {url.port} is not open to outbound calls; open are {ports}")
        return False

    @asynccontextmanager
    async def _hop(
        self,
        method: str,
        url: URL,
        headers: CIMultiDict[str],
        body: bytes | None,
        deadline: float,
        *,
        allowed: bool,
    ) -> AsyncIterator[ClientResponse]:
        gate = _Gate(url, allowed=allowed)
        connector = TCPConnector(
            socket_factory=gate,
            resolver=self._resolver or ThreadedResolver(),
            use_dns_cache=False,
            force_close=True,
        )
        async with ClientSession(
            connector=connector,
            cookie_jar=DummyCookieJar(),
            trust_env=False,
            timeout=ClientTimeout(total=None, connect=self._patience.connect),
        ) as session:
            until = min(deadline, asyncio.get_running_loop().time() + self._patience.answer)
            try:
                async with asyncio.timeout_at(until):
                    response = await session.request(
                        method, url, headers=headers, data=body, allow_redirects=False
                    )
            except _FAULTS as error:
                if gate.refused and not gate.passed:
                    raise OutboundRefused(f"{url.host} is not on the public Internet") from error
                raise _told(url, error) from error
            async with response:
                yield response


def _calling(method: str, address: str) -> Span | None:
    """The span of a call, below what we are in; a client's that has one already, as a webhook's, has no second."""
    if (within := current()) is None or within.kind == "client":
        return None
    return begin(method, "client", {"http.request.method": method, **server_of(address)})


def server_of(address: str) -> dict[str, str | int]:
    """Whom an address calls, as a span tells it: what else stands in it may be a secret."""
    try:
        url = _parsed(address)
    except OutboundRefused:
        return {}
    known = {"server.address": url.host, "server.port": url.port}
    return {name: value for name, value in known.items() if value is not None}


class OutboundResponse:
    """An answer whose body has not been read yet: `status`, `headers`, and the `url` that gave it in the end."""

    def __init__(self, url: URL, response: ClientResponse, patience: Patience, deadline: float) -> None:
        self.url = url
        self.status = response.status
        self.headers: CIMultiDictProxy[str] = response.headers
        self._response = response
        self._patience = patience
        self._deadline = deadline

    async def iter_chunks(self, limit: int) -> AsyncGenerator[bytes, None]:
        """Give the body, unpacked, in chunks of at most 256 KiB. Raises TooLarge past `limit` bytes, OutboundFailed."""
        packed = "Content-Encoding" in self.headers
        if not packed and (self._response.content_length or 0) > limit:
            raise TooLarge("what the address holds", limit)
        loop, patience = asyncio.get_running_loop(), self._patience
        size = brought = 0
        waited = 0.0
        while True:
            began = loop.time()
            try:
                async with asyncio.timeout_at(min(self._deadline, began + patience.stall - waited)):
                    chunk = await self._response.content.read(_CHUNK)
            except _FAULTS as error:
                raise _told(self.url, error) from error
            if not chunk:
                return
            size += len(chunk)
            if size > limit:
                raise TooLarge("what the address holds", limit)
            brought += len(chunk)
            waited += loop.time() - began  # not the time that whoever takes the chunks needs for them
            if brought >= patience.least:
                brought, waited = 0, 0.0
            yield chunk


class _Gate:
    """Makes the sockets of one hop, and none for an address that is not public, unless its pair is allowed."""

    def __init__(self, url: URL, *, allowed: bool) -> None:
        self._url = url
        self._allowed = allowed
        self.refused = False
        self.passed = False

    def __call__(self, info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = info
        if not self._allowed and not is_public(str(address[0])):
            if not self.refused:
                log.warning(
                    "outbound call refused",
                    action="outbound.refused",
                    host=self._url.host,
                    port=self._url.port,
                    address=str(address[0]),
                )
            self.refused = True
            raise PermissionError  # the connector goes on to the host's next address
        self.passed = True
        return socket.socket(family, kind, protocol)


def _told(url: URL, error: Exception) -> OutboundFailed | OutboundRefused:
    """What went wrong, in words for whoever gave the address; the numbers behind a name stay here."""
    host = url.host
    if isinstance(error, ClientConnectorDNSError):
        return OutboundFailed(f"there is no host {host}, or it cannot be found now")
    if isinstance(error, ClientSSLError):
        return OutboundFailed(f"no secure connection to {host} can be made")
    if isinstance(error, TimeoutError):
        return OutboundFailed(f"{host} takes too long to answer")
    if isinstance(error, ClientConnectorError):
        return OutboundFailed(f"{host} cannot be reached")
    if isinstance(error, InvalidURL | UnicodeError):
        # Numbers that are no address, names that DNS does not take.
        return OutboundRefused(f"{host} is not a valid host")
    return OutboundFailed(f"the answer of {host} is broken or breaks off")


def _parsed(address: str) -> URL:
    try:
        return URL(address).with_fragment(None)
    except ValueError:
        raise OutboundRefused("the address is not valid") from None


def _target(url: URL, response: ClientResponse) -> URL | None:
    """Where a redirect leads; None if this is the answer itself."""
    location = response.headers.get("Location")
    if response.status not in _REDIRECTS or not location:
        return None
    try:
        return url.join(URL(location)).with_fragment(None)
    except ValueError:
        raise OutboundRefused(f"{url.host} redirects to an address that is not valid") from None


def _asks_anew(status: int, method: str) -> bool:
    """Whether a redirect asks with GET and without a body, whatever was asked before (as in the Fetch standard)."""
    return (status in (301, 302) and method == "POST") or (status == 303 and method not in ("GET", "HEAD"))  # noqa: PLR2004


def _is_host(host: str) -> bool:
    return _NAME.fullmatch(host) is not None or (":" in host and _plain_host(host) != "")


def _plain_host(host: str) -> str:
    """One spelling for each: IPv6 addresses shortened, names as DNS has them; "" for a broken one."""
    if ":" not in host:
        try:
            return URL.build(scheme="http", host=host).raw_host or ""
        except ValueError:
            return ""
    try:
        return str(ip_address(host))
    except ValueError:
        return ""
