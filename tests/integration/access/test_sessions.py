"""Sessions of the dashboard: who begins one, what it may do, how it ends, and who can't make use of another's."""

import asyncio
import re
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest

from service.access.session_store import MOST_OF_A_KEY

from .conftest import ADMIN_KEY, Answer, Caller

OWN = {"X_Lavori_Dashboard": "1"}


@dataclass(frozen=True, slots=True)
class Browser:
    """A client that bears the cookie of a session."""

    caller: Caller
    cookie: str

    async def ask(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        return await self.caller.ask(method, path, body, Cookie=self.cookie, **headers)


def cookie_of(answer: Answer) -> str:
    """The cookie that an answer gives, as a browser sends it back."""
    return str(answer.headers["Set-Cookie"]).partition(";")[0]


async def begin(caller: Caller, body: object, **headers: str) -> Answer:
    return await caller.having(None).ask("POST", "/api/session", body, **headers)


async def browser(caller: Caller, key: str = ADMIN_KEY) -> Browser:
    answer = await begin(caller, {"key": key})
    assert answer.status == 201, answer
    return Browser(caller.having(None), cookie_of(answer))


async def ticket(caller: Caller) -> str:
    made = await caller.ask("POST", "/api/session/tickets")
    assert made.status == 201, made
    return str(made.body["ticket"])


async def test_a_key_begins_a_session_that_may_do_what_the_key_may(admin: Caller) -> None:
    answer = await begin(admin, {"key": ADMIN_KEY})
    assert (answer.status, answer.body["principal"], answer.body["tenant"]) == (201, "admin", "default")
    told = answer.headers["Set-Cookie"]
    assert re.match(r"lavori_\d+=ls_[0-9a-f]{48};", told)
    assert "HttpOnly" in told
    assert "SameSite=Strict" in told
    assert "Path=/" in told
    assert "Domain" not in told
    session = Browser(admin.having(None), cookie_of(answer))
    assert (await session.ask("GET", "/api/me")).body["principal"] == "admin"
    assert (await session.ask("POST", "/api/keys", {"name": "a", "principal": "a"}, **OWN)).status == 201
    vera = await admin.make_key("viewer", principal="vera")
    theirs = await browser(admin, str(vera.caller.token))
    assert (await theirs.ask("GET", "/api/me")).body["principal"] == "vera"
    assert (await theirs.ask("POST", "/api/keys", {"name": "a", "principal": "a"}, **OWN)).status == 403


async def test_off_this_machine_the_cookie_is_for_https_and_for_this_host_alone(admin: Caller) -> None:
    for host in ("lavori.example.org", "10.0.0.7:8080", "127.0.0.1.example.org"):
        told = (await begin(admin, {"key": ADMIN_KEY}, Host=host)).headers["Set-Cookie"]
        assert told.startswith("__Host-lavori=ls_")
        assert "Secure" in told
    for host in ("127.0.0.1:8080", "localhost:8080", "[::1]:8080"):
        told = (await begin(admin, {"key": ADMIN_KEY}, Host=host)).headers["Set-Cookie"]
        assert told.startswith("lavori_8080=ls_")
        assert "Secure" not in told


@pytest.mark.parametrize("body", [{}, {"key": "x", "ticket": "y"}, {"key": 1}, {"key": ""}, {"who": "x"}])
async def test_what_is_no_login_is_refused(admin: Caller, body: dict[str, Any]) -> None:
    assert (await begin(admin, body)).status == 422


@pytest.mark.parametrize(
    "body",
    [{"key": "x" * 30}, {"key": "lv_" + "0" * 89}, {"ticket": "x"}, {"ticket": "ls_" + "0" * 48},
     {"ticket": ADMIN_KEY}],
)  # fmt: skip
async def test_an_unknown_key_or_ticket_begins_nothing(admin: Caller, body: dict[str, Any]) -> None:
    answer = await begin(admin, body)
    assert answer.status == 401
    assert "Set-Cookie" not in answer.headers


async def test_a_ticket_works_once_and_then_never_again(admin: Caller) -> None:
    one = await ticket(admin)
    first = await begin(admin, {"ticket": one})
    assert (first.status, first.body["principal"]) == (201, "admin")
    again = await begin(admin, {"ticket": one})
    assert again.status == 401
    assert "Set-Cookie" not in again.headers
    other = await ticket(admin)
    answers = await asyncio.gather(*(begin(admin, {"ticket": other}) for _ in range(20)))
    assert sorted(answer.status for answer in answers) == [201, *[401] * 19]


async def test_a_ticket_is_neither_a_key_nor_a_session_and_a_session_is_no_ticket(admin: Caller) -> None:
    one = await ticket(admin)
    name = (await browser(admin)).cookie.partition("=")[0]
    assert (await admin.having(one).ask("GET", "/api/me")).status == 401
    assert (await Browser(admin.having(None), f"{name}={one}").ask("GET", "/api/me")).status == 401
    session = (await browser(admin)).cookie.partition("=")[2]
    assert (await begin(admin, {"ticket": session})).status == 401
    assert (await begin(admin, {"key": session})).status == 401
    assert (await admin.having(session).ask("GET", "/api/me")).status == 401


async def test_a_ticket_is_good_for_an_hour(admin: Caller, pool: asyncpg.Pool) -> None:
    one = await ticket(admin)
    await pool.execute("UPDATE sessions SET expires_at = expires_at - interval '1 hour' WHERE is_ticket")
    assert (await begin(admin, {"ticket": one})).status == 401


async def test_a_session_dies_with_its_key(admin: Caller, elsewhere: Caller) -> None:
    key = await admin.make_key("user")
    here, ticket_of_it = await browser(admin, str(key.caller.token)), await ticket(key.caller)
    there = Browser(
        elsewhere.having(None), here.cookie.replace(str(admin.client.port), str(elsewhere.client.port))
    )
    assert (await here.ask("GET", "/api/me")).status == 200
    assert (await there.ask("GET", "/api/me")).status == 200
    assert (await admin.ask("DELETE", f"/api/keys/{key.id}")).status == 204
    assert (await here.ask("GET", "/api/me")).status == 401
    assert (await begin(admin, {"ticket": ticket_of_it})).status == 401
    async with asyncio.timeout(3):
        while (await there.ask("GET", "/api/me")).status != 401:
            await asyncio.sleep(0.05)


async def test_a_rotation_ends_what_the_former_secret_has_begun(admin: Caller) -> None:
    key = await admin.make_key("user")
    session = await browser(admin, str(key.caller.token))
    assert (await admin.ask("POST", f"/api/keys/{key.id}/rotate", {"grace_seconds": 60})).status == 200
    assert (await session.ask("GET", "/api/me")).status == 401


async def test_a_session_ends_with_a_logout_and_after_a_week(admin: Caller, pool: asyncpg.Pool) -> None:
    one, other = await browser(admin), await browser(admin)
    out = await one.ask("DELETE", "/api/session", **OWN)
    assert out.status == 204
    assert "Max-Age=0" in out.headers["Set-Cookie"]
    assert (await one.ask("GET", "/api/me")).status == 401
    assert (await other.ask("GET", "/api/me")).status == 200
    assert (await admin.ask("DELETE", "/api/session")).status == 404
    assert (
        await pool.fetchval("SELECT count(*) FROM audit WHERE object_type = 'session' AND action = 'delete'")
    ) == 1
    await pool.execute("UPDATE sessions SET expires_at = now() - interval '1 ms'")
    async with asyncio.timeout(3):
        while (await other.ask("GET", "/api/me")).status != 401:
            await asyncio.sleep(0.05)
    await browser(admin)
    assert await pool.fetchval("SELECT count(*) FROM sessions WHERE expires_at <= now()") == 0


async def test_the_oldest_sessions_of_a_key_go_before_there_are_too_many(
    admin: Caller, pool: asyncpg.Pool
) -> None:
    for _ in range(MOST_OF_A_KEY + 3):
        await ticket(admin)
    assert await pool.fetchval("SELECT count(*) FROM sessions") == MOST_OF_A_KEY


async def test_a_cookie_alone_changes_nothing(admin: Caller, pool: asyncpg.Pool) -> None:
    session, body = await browser(admin), {"name": "a", "principal": "a"}
    before = await pool.fetchval("SELECT count(*) FROM audit")
    for headers in (
        {},  # a form, or an old browser: no page of another origin can send our header
        {"Sec_Fetch_Site": "same-origin"},
        {**OWN, "Sec_Fetch_Site": "cross-site"},
        {**OWN, "Sec_Fetch_Site": "same-site"},  # another port of this machine, another host of this domain
    ):
        for method, path in (("POST", "/api/keys"), ("DELETE", "/api/session"), ("PATCH", "/api/tenant")):
            answer = await session.ask(method, path, body, **headers)
            assert (answer.status, answer.body["code"]) == (403, "forbidden"), (method, headers)
    assert await pool.fetchval("SELECT count(*) FROM audit") == before
    assert (await session.ask("POST", "/api/keys", body, **OWN, Sec_Fetch_Site="same-origin")).status == 201


async def test_another_origin_can_log_nobody_in(admin: Caller) -> None:
    for site in ("cross-site", "same-site"):
        answer = await begin(admin, {"key": ADMIN_KEY}, Sec_Fetch_Site=site)
        assert answer.status == 403
        assert "Set-Cookie" not in answer.headers
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        async with admin.client.post(
            "/api/session", data=b'{"key": "' + ADMIN_KEY.encode() + b'"}', headers={"Content-Type": kind}
        ) as response:
            assert response.status == 415
            assert "Set-Cookie" not in response.headers


async def test_a_session_that_somebody_else_has_chosen_is_never_taken(
    admin: Caller, pool: asyncpg.Pool
) -> None:
    name = (await browser(admin)).cookie.partition("=")[0]
    chosen = f"{name}=ls_{'5' * 48}"
    answer = await admin.having(None).ask("POST", "/api/session", {"key": ADMIN_KEY}, Cookie=chosen)
    assert cookie_of(answer) != chosen
    assert (await Browser(admin.having(None), chosen).ask("GET", "/api/me")).status == 401
    kept = {bytes(row["token_hash"]) for row in await pool.fetch("SELECT token_hash FROM sessions")}
    assert all(cookie_of(answer).encode() not in one for one in kept)


@pytest.mark.parametrize(
    "value", ["", "x", "ls_", "ls_" + "z" * 48, "ls_" + "0" * 48, "a" * 5000, '"quoted"']
)
async def test_a_broken_cookie_is_no_login_and_no_fault(admin: Caller, value: str) -> None:
    name = (await browser(admin)).cookie.partition("=")[0]
    answer = await Browser(admin.having(None), f"{name}={value}").ask("GET", "/api/me")
    assert (answer.status, answer.body["code"]) == (401, "unauthenticated")


async def test_an_authorization_header_goes_before_a_cookie(admin: Caller) -> None:
    session = await browser(admin)
    vera = await admin.make_key("viewer", principal="vera")
    answer = await session.ask("GET", "/api/me", Authorization=f"Bearer {vera.caller.token}")
    assert answer.body["principal"] == "vera"
    assert (await session.ask("GET", "/api/me", Authorization="Bearer " + "x" * 30)).status == 401
