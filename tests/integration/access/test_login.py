"""Logging in at a real provider: who comes in, as whom, by what, and for how long."""

import os
import subprocess
import sys

import asyncpg

from oidc_issuer import CLIENT, SECRET, TestIssuer
from service.access.session_store import MOST_OF_A_KEY
from service.keys import SETTINGS
from service.settings import Settings

from .browsing import HOME, Browser
from .conftest import Caller, StartClient, application, browser_of

OWN = {"X-Lavori-Dashboard": "1"}


async def test_whoever_logs_in_is_who_a_bearer_of_the_same_claims_is(
    issuer: TestIssuer, browser: Browser, pool: asyncpg.Pool
) -> None:
    issuer.tells = {"sub": "anna@example.org", "roles": ["curator", "user", "king"]}
    reply = await browser.log_in("/jobs?status=failed&q=%C3%A8")
    assert (reply.status, reply.headers["Location"]) == (303, f"{HOME}#/jobs?status=failed&q=%C3%A8")
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.headers["Referrer-Policy"] == "no-referrer"
    told = next(one for one in reply.headers.getall("Set-Cookie") if one.startswith("lavori_8080=ls_"))
    assert all(word in told for word in ("HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=3600"))
    assert list(browser.cookies) == ["lavori_8080"], "the cookie of the login is gone"
    me = await browser.me()
    bearer = await Caller(browser.client, issuer.token(**issuer.tells)).ask("GET", "/api/me")
    assert me == bearer.body
    assert me is not None
    assert (me["principal"], me["roles"], me["key_id"]) == ("anna@example.org", ["user", "curator"], None)
    row = await pool.fetchrow("SELECT principal, key_id, action, object_type FROM audit")
    assert row is not None
    assert tuple(row) == ("anna@example.org", None, "create", "session")


async def test_each_login_asks_with_values_of_its_own_and_the_one_redirect_uri(
    issuer: TestIssuer, browser: Browser
) -> None:
    asked = [dict((await browser.begin()).location.query) for _ in range(2)]
    for one in asked:
        assert one["redirect_uri"] == f"{HOME}login/oidc/callback"
        assert one["scope"] == "openid profile email"
        assert one["code_challenge_method"] == "S256"
    for name in ("state", "nonce", "code_challenge"):
        assert asked[0][name] != asked[1][name]
        assert len(asked[0][name]) == 43
    assert (await browser.log_in()).status == 303
    (form,) = issuer.exchanged
    assert form["redirect_uri"] == asked[0]["redirect_uri"]
    assert len(form["code_verifier"]) == 43


async def test_the_cookie_of_a_login_shows_nothing_and_is_for_ten_minutes(browser: Browser) -> None:
    reply = await browser.begin()
    told = reply.headers["Set-Cookie"]
    assert all(word in told for word in ("HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=600"))
    for name in ("state", "nonce"):
        assert reply.location.query[name] not in told
    assert reply.headers["Cache-Control"] == "no-store"


async def test_off_this_machine_the_cookies_are_for_https_and_for_this_host_alone(
    issuer: TestIssuer, browser: Browser, pool: asyncpg.Pool, aiohttp_client: StartClient
) -> None:
    there = await browser_of(
        issuer, pool, aiohttp_client, LAVORI_PUBLIC_URL="https://lavori.example.org/jobs"
    )
    reply = await there.begin()
    assert reply.location.query["redirect_uri"] == "https://lavori.example.org/jobs/login/oidc/callback"
    assert reply.headers["Set-Cookie"].startswith("__Host-lavori_login=")
    assert "Secure" in reply.headers["Set-Cookie"]


async def test_a_session_ends_with_a_logout_and_after_an_hour_and_then_roles_are_new(
    issuer: TestIssuer, browser: Browser, pool: asyncpg.Pool
) -> None:
    issuer.tells = {"roles": ["admin"]}
    await browser.log_in()
    other = Browser(browser.client)
    await other.log_in()
    made = dict(browser.cookies)
    lasts = "SELECT max(expires_at - created_at) <= interval '1 hour' FROM sessions"
    assert await pool.fetchval(lasts)
    assert (await browser.ask("/api/session", "DELETE")).status == 403, "a cookie alone changes nothing"
    assert (await browser.ask("/api/session", "DELETE", **OWN)).status == 204
    assert browser.cookies == {}
    assert await Browser(browser.client, made).me() is None
    assert (await other.me() or {})["roles"] == ["admin"]
    await pool.execute("UPDATE sessions SET expires_at = now() - interval '1 ms'")
    while await other.me() is not None:
        pass
    issuer.tells = {"roles": ["viewer"]}
    await other.log_in()
    assert (await other.me() or {})["roles"] == ["viewer"]


async def test_a_session_makes_no_other_and_goes_with_its_tenant(
    issuer: TestIssuer, browser: Browser, pool: asyncpg.Pool
) -> None:
    await pool.execute("INSERT INTO tenants (code, name) VALUES ('city', 'City')")
    issuer.tells = {"tenant": "city", "roles": ["admin"]}
    await browser.log_in()
    assert (await browser.me() or {})["tenant"] == "city"
    assert (await browser.ask("/api/session/tickets", "POST", **OWN)).status == 403
    assert (await browser.ask("/api/tenants")).status == 403
    await pool.execute("DELETE FROM tenants WHERE code = 'city'")
    assert await pool.fetchval("SELECT count(*) FROM sessions") == 0


async def test_the_oldest_sessions_of_a_person_go_before_there_are_too_many(
    issuer: TestIssuer, browser: Browser, pool: asyncpg.Pool
) -> None:
    await pool.execute(
        """INSERT INTO sessions (token_hash, tenant_id, principal, roles, is_ticket, created_at, expires_at)
           SELECT sha256(n::text::bytea), 1, CASE WHEN n > 3 THEN 'anna' ELSE 'bob' END, '{}', false,
                  now() - interval '1 minute', now() + interval '1 hour' FROM generate_series(1, $1) AS n""",
        MOST_OF_A_KEY + 6,
    )
    await browser.log_in()
    counts = "SELECT principal, count(*) FROM sessions GROUP BY 1 ORDER BY 1"
    assert [tuple(row) for row in await pool.fetch(counts)] == [("anna", MOST_OF_A_KEY), ("bob", 3)]
    assert await browser.me() is not None


async def test_a_secret_goes_as_the_provider_takes_it_and_a_public_client_has_none(
    issuer: TestIssuer, browser: Browser, pool: asyncpg.Pool, aiohttp_client: StartClient
) -> None:
    assert (await browser.log_in()).status == 303
    issuer.discovered = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert (await (await browser_of(issuer, pool, aiohttp_client)).log_in()).status == 303
    issuer.client_secret = None
    assert (await (await browser_of(issuer, pool, aiohttp_client)).log_in()).status == 303
    assert [(form.get("client_id"), form.get("client_secret")) for form in issuer.exchanged] == [
        (None, None),
        (CLIENT, SECRET),
        (CLIENT, None),
    ]


async def test_a_wrong_secret_is_the_operators_business(
    issuer: TestIssuer, browser: Browser, pool: asyncpg.Pool, aiohttp_client: StartClient
) -> None:
    there = await browser_of(issuer, pool, aiohttp_client, OIDC_CLIENT_SECRET="another secret")
    await there.is_refused(await there.log_in(), 503, "Try again later")


async def test_without_a_client_there_is_no_login(
    issuer: TestIssuer, pool: asyncpg.Pool, aiohttp_client: StartClient
) -> None:
    app = application(pool)
    app[SETTINGS] = Settings.from_environ(issuer.environ)
    nobody = Browser(await aiohttp_client(app))
    for path in ("/login/oidc", "/login/oidc/callback?state=x&code=y"):
        assert (await nobody.ask(path)).status == 404


def test_check_config_names_the_redirect_uri_and_what_is_missing(issuer: TestIssuer) -> None:
    def checked(**environ: str) -> tuple[int, str]:
        needed = {
            "DATABASE_URL": "postgresql://x/x",
            "REDIS_URL": "redis://x",
            "LAVORI_SECRET_KEYS": "k" * 32,
        }
        ran = subprocess.run(
            [sys.executable, "-m", "service", "check-config"],
            env={**os.environ, **needed, **environ},
            capture_output=True,
            text=True,
            check=False,
        )
        return ran.returncode, ran.stdout + ran.stderr

    code, said = checked(**issuer.login_environ, LAVORI_PUBLIC_URL=HOME)
    assert (code, f"{HOME}login/oidc/callback" in said) == (0, True), said
    assert SECRET not in said
    code, said = checked(OIDC_CLIENT_SECRET=SECRET)
    assert (code, said) == (2, "OIDC_CLIENT_SECRET needs OIDC_CLIENT_ID to be set too.\n")
