"""Whose token is it, or whose session: the answers of the last second, kept per process, and batched questions.

Every request asks this, so a remembered answer costs no more than a hash. An answer lives one second from before its
question was put; so a revocation made anywhere is effective within a second, with no message to be lost. What is
remembered of strangers is kept apart, so that a flood of wrong tokens displaces no right one.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeVar
from uuid import UUID

import asyncpg
from aiohttp import web

from service.access.access_tokens import AccessTokens, is_access_token
from service.access.grant_store import grant, principals_by_grant
from service.access.login import LOGIN, Login
from service.access.oidc import PATIENCE, Oidc, may_be_a_jwt, oidc_of
from service.access.principal import Principal
from service.access.session_store import principals_by_session
from service.access.store import principals_by_hash
from service.access.tokens import may_be_a_session, may_be_a_token, token_hash
from service.db.batch import Batcher
from service.db.connection import Connection
from service.db.patience import again_if_broken
from service.keys import POOL, SETTINGS
from service.web.outbound import OutboundClient

LIFETIME_SECONDS = 1.0
LOOK_UP_SECONDS = 5.0
CAPACITY = 10_000

Answer = TypeVar("Answer")


LookUp = Callable[[Connection, Sequence[bytes]], Awaitable[list[Principal | None]]]
"""Gives the caller of each digest, in the order asked."""


class Answers:
    """What was found out within the last second: at most `CAPACITY` callers, and as many strangers."""

    def __init__(self, pool: asyncpg.Pool, look_up: LookUp) -> None:
        self._pool, self._look_up = pool, look_up
        self._known: dict[bytes, tuple[float, Principal]] = {}
        self._strangers: dict[bytes, float] = {}
        self._questions: Batcher[bytes, Principal | None] = Batcher(self._ask, max_items=1000, concurrency=2)

    def recall(self, digest: bytes) -> Principal | None:
        """The caller, if that is known without asking."""
        remembered = self._known.get(digest)
        return remembered[1] if remembered is not None and remembered[0] > time.monotonic() else None

    def keep(self, digest: bytes, until: float, principal: Principal) -> None:
        """Remember what was found out elsewhere."""
        _keep(self._known, digest, (until, principal))

    async def ask(self, digest: bytes) -> Principal | None:
        """The caller; None for a stranger."""
        now = time.monotonic()
        if self._strangers.get(digest, now) > now:
            return None
        # An answer that was under way when everything was forgotten lands in the forgotten dictionaries.
        known, strangers = self._known, self._strangers
        principal = await self._questions.put(digest)
        if principal is None:
            known.pop(digest, None)
            _keep(strangers, digest, now + LIFETIME_SECONDS)
        else:
            _keep(known, digest, (now + LIFETIME_SECONDS, principal))
        return principal

    def forget(self) -> None:
        """Drop all that is remembered."""
        self._known, self._strangers = {}, {}

    async def _ask(self, hashes: list[bytes]) -> Sequence[Principal | None]:
        async with asyncio.timeout(LOOK_UP_SECONDS):
            return await again_if_broken(lambda: self._look_up_in_pool(hashes))

    async def _look_up_in_pool(self, hashes: list[bytes]) -> Sequence[Principal | None]:
        async with self._pool.acquire() as connection:
            return await self._look_up(connection, hashes)

    async def close(self) -> None:
        """Wait for the questions that are under way."""
        await self._questions.join()


class Identities:
    """Answers whose a token or a session is; `secret_keys` sign access tokens."""

    def __init__(self, pool: asyncpg.Pool, oidc: Oidc | None = None, secret_keys: Sequence[str] = ()) -> None:
        self._pool, self._oidc = pool, oidc
        self._access_tokens = AccessTokens(secret_keys)
        self._granted = Answers(pool, principals_by_grant)
        self._tokens = Answers(pool, principals_by_hash)
        self._sessions = Answers(pool, principals_by_session)

    def recall(self, token: str) -> Principal | None:
        """The caller whose token was asked about within the last second; None says nothing of it. For most requests."""
        return None if is_access_token(token) else self._tokens.recall(token_hash(token))

    async def of(self, token: str) -> Principal | None:
        """The caller whose token this is; None when it is unknown, expired or revoked. Raises as Oidc.of."""
        if (record := self._access_tokens.read(token)) is not None:
            return self._granted.recall(record) or await self._granted.ask(record)
        digest = token_hash(token)
        if (principal := self._tokens.recall(digest)) is not None:
            return principal
        if self._oidc is not None and may_be_a_jwt(token):
            until = time.monotonic() + LIFETIME_SECONDS
            principal = await self._oidc.of(token)
            self._tokens.keep(digest, until, principal)
            return principal
        return await self._tokens.ask(digest) if may_be_a_token(token) else None

    async def grant(self, key_id: UUID, secret: str) -> str:
        """An access token of the key that has this secret."""
        return self._access_tokens.make(await grant(self._pool, key_id, secret))

    async def of_session(self, token: str) -> Principal | None:
        """The caller whose session this is; None when it is unknown or over, or its key is."""
        if not may_be_a_session(token):
            return None
        digest = token_hash(token)
        return self._sessions.recall(digest) or await self._sessions.ask(digest)

    def forget(self) -> None:
        """Drop all that is remembered: after a revocation, so that this process obeys it at once."""
        self._tokens.forget()
        self._granted.forget()
        self._sessions.forget()

    async def close(self) -> None:
        """Wait for the questions that are under way."""
        await self._tokens.close()
        await self._granted.close()
        await self._sessions.close()


def _keep(answers: dict[bytes, Answer], digest: bytes, answer: Answer) -> None:
    if len(answers) >= CAPACITY:
        answers.clear()  # cheaper than to choose, and a second later all would be stale anyway
    answers[digest] = answer


IDENTITIES = web.AppKey("identities", Identities)


async def identities(app: web.Application) -> AsyncIterator[None]:
    """A `cleanup_ctx` of the application: who calls, from its POOL, and who logs in at the provider."""
    settings, oidc = app.get(SETTINGS), None
    if settings is not None:
        client = OutboundClient(settings.outbound_allow, patience=PATIENCE)
        oidc = oidc_of(settings, client, app[POOL])
        if oidc is not None and settings.oidc_client_id is not None:
            app[LOGIN] = Login(oidc, client, settings)
    app[IDENTITIES] = Identities(app[POOL], oidc, settings.secret_keys if settings else ())
    yield
    await app[IDENTITIES].close()
