"""An API of keys and tenants alone, on a real server, with a caller for each purpose."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import asyncpg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from oidc_issuer import TestIssuer
from service.access.identities import identities
from service.access.limits import WAITING
from service.access.login_routes import routes as login_routes
from service.access.middleware import authenticate, identify, open_to_all
from service.access.routes import routes
from service.access.sessions import routes as session_routes
from service.access.store import ensure_admin_key
from service.access.tenant_routes import routes as tenant_routes
from service.keys import POOL, SETTINGS
from service.settings import Settings
from service.web.middleware import edge
from service.web.payload import json_response

from .browsing import HOME, Browser

ADMIN_KEY = "an-operators-own-admin-key"
Client: TypeAlias = TestClient[web.Request, web.Application]
StartClient: TypeAlias = Callable[[web.Application], Awaitable[Client]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: Any
    headers: Any


@dataclass(frozen=True, slots=True)
class Caller:
    """A client that sends one token, or none."""

    client: Client
    token: str | None

    async def ask(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        self.client.session.cookie_jar.clear()  # a test sends its cookies itself
        if self.token is not None:
            sent["Authorization"] = f"Bearer {self.token}"
        async with self.client.request(method, path, json=body, headers=sent) as response:
            told = await response.json(content_type=None) if await response.read() else None
            return Answer(response.status, told, response.headers)

    async def make_key(
        self, *roles: str, principal: str = "anna", grants: tuple[str, ...] = (), **more: object
    ) -> "Made":
        made = await self.ask(
            "POST",
            "/api/keys",
            {"name": "test", "principal": principal, "roles": roles, "grants": grants, **more},
        )
        assert made.status == 201, made.body
        return Made(made.body["id"], self.having(made.body["secret"]))

    def having(self, token: str | None) -> "Caller":
        return Caller(self.client, token)

    async def is_known(self) -> bool:
        return (await self.ask("GET", "/api/me")).status == 200


@dataclass(frozen=True, slots=True)
class Made:
    """A key that was made: its id, and a caller that has it."""

    id: str
    caller: Caller


async def whoever(request: web.Request) -> web.Response:
    caller = await identify(request)
    return json_response({"principal": caller and caller.name})


def application(pool: asyncpg.Pool) -> web.Application:
    app = web.Application(middlewares=[edge, authenticate])
    app[POOL] = pool
    app[WAITING] = []
    app.cleanup_ctx.append(identities)
    app.add_routes(
        [*routes, *session_routes, *login_routes, *tenant_routes, web.get("/open", open_to_all(whoever))]
    )
    return app


async def make_admin_key(pool: asyncpg.Pool, secret: str = ADMIN_KEY) -> None:
    async with pool.acquire() as connection:
        await ensure_admin_key(connection, secret)


@pytest.fixture
async def admin(pool: asyncpg.Pool, aiohttp_client: StartClient) -> Caller:
    """The operator's admin of the tenant `default`, who holds the grant `tenants`."""
    await make_admin_key(pool)
    return Caller(await aiohttp_client(application(pool)), ADMIN_KEY)


@pytest.fixture
async def elsewhere(admin: Caller, pool: asyncpg.Pool, aiohttp_client: StartClient) -> Caller:
    """The same admin at another process of the API, which remembers by itself."""
    return Caller(await aiohttp_client(application(pool)), ADMIN_KEY)


@pytest.fixture
async def issuer() -> AsyncIterator[TestIssuer]:
    """A provider that lets everybody in."""
    async with TestIssuer.running() as running:
        yield running


async def browser_of(
    issuer: TestIssuer, pool: asyncpg.Pool, aiohttp_client: StartClient, **environ: str
) -> Browser:
    """A browser before an API at HOME whose people log in at the issuer."""
    app = application(pool)
    base = {"LAVORI_PUBLIC_URL": HOME, "LAVORI_SECRET_KEYS": "k" * 32, **issuer.login_environ}
    app[SETTINGS] = Settings.from_environ({**base, **environ})
    return Browser(await aiohttp_client(app))


@pytest.fixture
async def browser(issuer: TestIssuer, pool: asyncpg.Pool, aiohttp_client: StartClient) -> Browser:
    """One that nobody is logged in with."""
    return await browser_of(issuer, pool, aiohttp_client)
