"""A browser of the tests that logs in at a provider: it keeps cookies, and follows nothing by itself."""

import json
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any

from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient
from multidict import CIMultiDictProxy
from yarl import URL

HOME = "http://127.0.0.1:8080/"
HTML = {"Accept": "text/html"}


@dataclass(frozen=True, slots=True)
class Reply:
    """What a browser was told."""

    status: int
    headers: CIMultiDictProxy[str]
    text: str

    @property
    def location(self) -> URL:
        return URL(self.headers["Location"])


@dataclass(slots=True)
class Browser:
    """Somebody's browser."""

    client: TestClient[web.Request, web.Application]
    cookies: dict[str, str] = field(default_factory=dict)

    async def ask(self, path: str, method: str = "GET", **headers: str) -> Reply:
        self.client.session.cookie_jar.clear()
        sent = {**headers, "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        async with self.client.request(method, path, headers=sent, allow_redirects=False) as response:
            for given in response.headers.getall("Set-Cookie", []):
                for name, morsel in SimpleCookie(given).items():
                    self.cookies[name] = morsel.value
                    if morsel["max-age"] == "0":
                        del self.cookies[name]
            return Reply(response.status, response.headers, await response.text())

    async def begin(self, place: str = "/") -> Reply:
        reply = await self.ask(str(URL("/login/oidc").with_query(place=place)))
        assert reply.status == 303, reply
        return reply

    async def sent_back(self, place: str = "/") -> str:
        """Begin, be at the provider, and come back: the path that it leads to."""
        begun = await self.begin(place)
        async with (
            ClientSession() as session,
            session.get(begun.location, allow_redirects=False) as response,
        ):
            back = response.headers["Location"]
        assert back.startswith(f"{HOME}login/oidc/callback?")
        return "/" + back.removeprefix(HOME)

    async def log_in(self, place: str = "/") -> Reply:
        return await self.ask(await self.sent_back(place), **HTML)

    async def me(self) -> dict[str, Any] | None:
        """Who it is logged in as."""
        reply = await self.ask("/api/me")
        return json.loads(reply.text) if reply.status == 200 else None

    async def is_refused(self, reply: Reply, status: int, words: str) -> None:
        """Whether nobody has come in, and why is told, on a page that nothing keeps."""
        assert (reply.status, words in reply.text) == (status, True), reply
        assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
        assert reply.headers["Cache-Control"] == "no-store"
        assert reply.headers["Referrer-Policy"] == "no-referrer"
        assert "lavori_8080" not in self.cookies
        assert await self.me() is None
