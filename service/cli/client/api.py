"""HTTP with the server: one connection, retries, and refusals as ends of the command."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import IO, Any
from urllib.parse import quote, urlencode, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, LocationParseError
from urllib3.response import BaseHTTPResponse

from service.cli.client.ending import Code, Ended
from service.cli.client.harmless import one_line
from service.cli.client.problems import refusal
from service.cli.client.retries import COME_AGAIN, GATEWAY, Patience, seconds_of

CONNECT_SECONDS = 10.0
READ_SECONDS = 90.0  # a call that waits for a job may take 60
MOST_OF_A_PROBLEM = 1 << 20
SAFE = frozenset({"GET", "HEAD", "PUT", "DELETE"})  # once more changes nothing
TELL_FROM = 1.0  # pauses that are shorter are not spoken of

Body = bytes | Callable[[], IO[bytes]]
"""Bytes, or what opens them anew for each try."""


class Api:
    """A server, and who asks it."""

    def __init__(self, url: str, token: str | None, patience: float | None = None) -> None:
        self.url, self._token, self._patience = url.rstrip("/"), token, patience

    @cached_property
    def _pool(self) -> urllib3.PoolManager:
        proxy = _proxy_of(self.url)
        return urllib3.ProxyManager(proxy) if proxy else urllib3.PoolManager()

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Body | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool | None = None,
        seconds: float = READ_SECONDS,
        refuse: bool = True,
    ) -> BaseHTTPResponse:
        """Send a request; the response is still to be read. Raises Ended for refusals, and when nobody answers.

        It is sent again after 429 and 503; when an answer was lost, only if it is `repeatable` (as GET, PUT and DELETE
        are by themselves): a POST might else be done twice. With `refuse` false any answer is given back.
        """
        again = method in SAFE if repeatable is None else repeatable
        patience = Patience() if self._patience is None else Patience(self._patience)
        address = self._address(path, query)
        while True:
            try:
                response = self._pool.request(
                    method,
                    address,
                    body=body() if callable(body) else body,
                    headers=self._headers(headers),
                    timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=seconds),
                    retries=False,
                    redirect=False,
                    preload_content=False,
                )
            except (HTTPError, OSError) as error:
                away = Ended(f"{one_line(self.url)} cannot be reached: {_reason(error)}.", Code.UNAVAILABLE)
                pause = patience.pause(None) if again or _never_sent(error) else None
                if pause is None:
                    raise away from error
            else:
                retry = response.status in COME_AGAIN or (response.status in GATEWAY and again)
                asked = seconds_of(response.headers.get("Retry-After"))
                pause = patience.pause(asked) if retry else None
                if pause is None:
                    if refuse and response.status >= 300:  # noqa: PLR2004 - nothing is ever redirected
                        raise self._refusal(response)
                    return response
                response.drain_conn()
                if pause >= TELL_FROM:
                    _tell(f"The server is busy ({response.status}); trying again in {pause:.0f} s.")
            time.sleep(pause)

    def _address(self, path: str, query: Mapping[str, Any] | None) -> str:
        if not path.startswith("/"):
            raise Ended(f"{one_line(path)} must begin with a slash.", Code.USAGE)
        if not query:
            return self.url + path
        return f"{self.url}{path}{'&' if '?' in path else '?'}{urlencode(query, doseq=True)}"

    def _headers(self, more: Mapping[str, str] | None) -> dict[str, str]:
        headers = {"User-Agent": "lavori-cli", "Accept-Encoding": "gzip"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        return {**headers, **(more or {})}

    def _refusal(self, response: BaseHTTPResponse) -> Ended:
        body = response.read(MOST_OF_A_PROBLEM)
        response.drain_conn()
        return refusal(response.status, response.reason, body, response.headers.get("X-Request-Id"))

    def json(self, method: str, path: str, *, sent: Any = None, **how: Any) -> Any:
        """Send JSON, if any, and read JSON; None when the answer is empty."""
        if sent is not None:
            how["body"] = json.dumps(sent).encode()
            how["headers"] = {"Content-Type": "application/json", **(how.get("headers") or {})}
        response = self.send(method, path, **how)
        try:
            raw = response.read()
            return json.loads(raw) if raw else None
        except (HTTPError, OSError, ValueError) as error:
            raise Ended(f"The answer of {one_line(self.url)} cannot be read: {_reason(error)}.") from error

    def pages(self, path: str, member: str, query: Mapping[str, Any] | None = None) -> Iterator[Any]:
        """All items of a list, page by page."""
        page = self.json("GET", path, query=query)
        while True:
            yield from page[member]
            if "next" not in page:
                return
            page = self.json("GET", page["next"])


def part(text: str) -> str:
    """A text as one part of a path."""
    return quote(text, safe="") or "%20"  # nothing would make another path


def _proxy_of(url: str) -> str | None:
    """The proxy that the environment names for an address, as other programs read it."""
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415, costs more than the rest of this file

    parts = urlsplit(url)
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return None if proxy is None or proxy_bypass(parts.netloc) else proxy


def _never_sent(error: Exception) -> bool:
    return isinstance(error, urllib3.exceptions.NewConnectionError | urllib3.exceptions.ConnectTimeoutError)


def _reason(error: BaseException) -> str:
    """Why, in few words."""
    if isinstance(error, LocationParseError):
        return "that is no address"
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, OSError) and inner.strerror:
            return one_line(inner.strerror)
        inner = inner.__cause__ or inner.__context__
    return one_line(str(error).split(": ", 1)[-1]).rstrip(".")


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
