"""Logging in at a provider: every way in that is closed, and what who stays outside is told."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import asyncpg
import pytest
from aiohttp import hdrs
from joserfc.jwk import RSAKey
from structlog.testing import capture_logs
from yarl import URL

from oidc_issuer import AUDIENCE, CLIENT, TestIssuer, key_of
from service.access import login as login_module

from .browsing import HOME, HTML, Browser
from .conftest import StartClient, browser_of
from .test_oidc import unsigned


@pytest.mark.parametrize(
    "what", ["state", "no state", "two states", "no cookie", "broken", "another's", "late"]
)
async def test_an_answer_to_a_login_that_this_browser_has_not_begun_is_refused(
    issuer: TestIssuer, browser: Browser, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    name = "lavori_8080_login"
    if what == "late":
        monkeypatch.setattr(login_module, "SECONDS", -1)
    back = await browser.sent_back()  # as the one whose login another browser is led into
    url = URL(back)
    if what == "state":
        back = str(url.update_query(state="x" * 43))
    elif what == "no state":
        back = str(url.without_query_params("state"))
    elif what == "two states":
        back = f"{back}&state={url.query['state']}"
    elif what == "no cookie":
        browser.cookies.clear()
    elif what == "broken":
        kept = browser.cookies[name]
        browser.cookies[name] = kept[:-2] + ("AA" if not kept.endswith("AA") else "BB")
    elif what == "another's":
        await browser.begin()
    await browser.is_refused(await browser.ask(back, **HTML), 400, "was not begun in this browser")
    assert issuer.exchanged == [], "the code was not even sent"
    assert (name in browser.cookies) == (what != "no cookie"), "a login under way goes on"


async def test_a_callback_works_once(issuer: TestIssuer, browser: Browser, pool: asyncpg.Pool) -> None:
    back = await browser.sent_back()
    kept = dict(browser.cookies)
    assert (await browser.ask(back, **HTML)).status == 303
    del browser.cookies["lavori_8080"]
    again = Browser(browser.client, browser.cookies)  # with what the first answer has left of the login
    await again.is_refused(await again.ask(back, **HTML), 400, "was not begun in this browser")
    copied = Browser(browser.client, kept)
    await copied.is_refused(await copied.ask(back, **HTML), 403, "does not take the code")
    assert len(issuer.exchanged) == 2
    assert await pool.fetchval("SELECT count(*) FROM sessions") == 1


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "of-another-login"}, {"nonce": None}, {"nonce": 1}, {"nonce": "è"},
        {"aud": AUDIENCE}, {"aud": "another-client"}, {"aud": None}, {"aud": []}, {"aud": [CLIENT, "another"]},
        {"aud": [CLIENT, "another"], "azp": "another"}, {"azp": "another"},
        {"exp": 1}, {"exp": None}, {"iss": "http://127.0.0.1:1"}, {"iss": None},
        {"iat": None}, {"iat": 99_999_999_999}, {"nbf": 99_999_999_999}, {"sub": None},
    ],
)  # fmt: skip
async def test_an_id_token_that_is_not_of_this_login_not_for_us_or_not_for_now_is_refused(
    issuer: TestIssuer, browser: Browser, claims: dict[str, Any]
) -> None:
    issuer.tells = claims
    await browser.is_refused(await browser.log_in(), 403, "can&#x27;t be trusted")
    assert browser.cookies == {}
    issuer.tells = {"aud": [CLIENT, "another"], "azp": CLIENT}
    assert (await browser.log_in()).status == 303


async def test_an_unsigned_id_token_and_one_signed_with_the_public_key_or_anothers_are_refused(
    issuer: TestIssuer, browser: Browser
) -> None:
    key, now = issuer.keys[0], int(time.time())
    assert isinstance(key, RSAKey)
    for how in ("none", "HS256", "another key", "nothing"):
        begun = await browser.begin()
        asked = dict(begun.location.query)
        claims: dict[str, Any] = {
            "iss": issuer.address, "aud": CLIENT, "exp": now + 60, "iat": now, "sub": "anna", "tenant": "default",
            "roles": ["admin"], "nonce": asked["nonce"],
        }  # fmt: skip
        if how == "none":
            issuer.id_token = unsigned({"alg": "none", "kid": "one"}, claims)
        elif how == "HS256":
            head = unsigned({"alg": "HS256", "kid": "one"}, claims).removesuffix(".")
            body = hmac.new(key.as_pem(private=False), head.encode(), hashlib.sha256).digest()
            issuer.id_token = f"{head}.{base64.urlsafe_b64encode(body).rstrip(b'=').decode()}"
        else:
            issuer.id_token = issuer.token(key_of("RS256", "one") if how == "another key" else None, **claims)
        issuer.codes["a-code"] = asked
        back = URL("/login/oidc/callback").with_query(state=asked["state"], code="a-code")
        reply = await browser.ask(str(back), **HTML)
        if how == "nothing":
            assert reply.status == 303, "the others are refused for their signatures alone"
        else:
            await browser.is_refused(reply, 403, "can&#x27;t be trusted")
    assert len(issuer.exchanged) == 4


async def test_a_provider_that_lets_nobody_in_is_told_in_a_sentence(
    issuer: TestIssuer, browser: Browser
) -> None:
    issuer.sends = {"error": "access_denied", "error_description": "<script>alert(1)</script>"}
    reply = await browser.log_in()
    await browser.is_refused(reply, 403, "The provider has not let you in")
    assert "script" not in reply.text
    back = await browser.sent_back()
    italian = await browser.ask(back, **HTML, **{"Accept-Language": "it-IT,it;q=0.9,en;q=0.8"})
    await browser.is_refused(italian, 403, "Il provider non ti ha fatto entrare")
    assert '<html lang="it">' in italian.text
    for error in ("server_error", "<script>alert(1)</script>", ""):
        issuer.sends = {"error": error}
        reply = await browser.log_in()
        await browser.is_refused(reply, 503, "can&#x27;t log you in at the moment")
        assert "script" not in reply.text
    back = await browser.sent_back()
    problem = json.loads((await browser.ask(back)).text)  # no browser: a problem
    assert (problem["status"], problem["code"]) == (503, "unavailable")
    assert issuer.exchanged == []


@pytest.mark.parametrize(
    "place",
    ["https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)", "",
     "/\r\nSet-Cookie: a=b", "/jobs\n", "/è", "/" + "x" * 1000, "ticket=ls_" + "0" * 48, "/@evil.example"],
)  # fmt: skip
async def test_a_login_never_leads_to_another_site(browser: Browser, place: str) -> None:
    begun = await browser.ask(str(URL("/login/oidc").with_query(place=place)))
    if begun.status == 400:
        assert "Set-Cookie" not in begun.headers
        return
    reply = await browser.log_in(place)
    assert reply.status == 303
    assert reply.headers["Location"] == f"{HOME}#{place}"
    assert str(reply.location.with_fragment(None)) == HOME


async def test_another_providers_answer_is_refused(issuer: TestIssuer, browser: Browser) -> None:
    issuer.sends = {"iss": issuer.address}
    assert (await browser.log_in()).status == 303
    browser.cookies.clear()
    asked = len(issuer.exchanged)
    issuer.sends = {"iss": "https://another.example"}
    await browser.is_refused(await browser.log_in(), 403, "another provider")
    assert len(issuer.exchanged) == asked, "the code was not sent"


async def test_a_provider_that_says_that_it_names_itself_must(issuer: TestIssuer, browser: Browser) -> None:
    issuer.discovered = {"authorization_response_iss_parameter_supported": True}
    await browser.is_refused(await browser.log_in(), 403, "another provider")
    issuer.sends = {"iss": issuer.address}
    assert (await browser.log_in()).status == 303


async def test_while_the_provider_is_down_or_says_nothing_of_use_a_page_says_so(
    issuer: TestIssuer, browser: Browser, pool: asyncpg.Pool, aiohttp_client: StartClient
) -> None:
    back, there = await browser.sent_back(), await browser_of(issuer, pool, aiohttp_client)
    await issuer.stop()
    for one, path in ((browser, back), (there, "/login/oidc")):
        reply = await one.ask(path, **HTML)
        await one.is_refused(reply, 503, "Try again later")
        assert reply.headers["Retry-After"]


@pytest.mark.parametrize(
    "answer",
    [
        (500, b"", {}), (200, b"<html>", {}), (200, b"[]", {}), (200, b'{"id_token": 1}', {}),
        (200, b'{"access_token": "x"}', {}), (200, b" " * 300_000, {}), (401, b'{"error": "invalid_client"}', {}),
        (307, b"", {"Location": "/token"}),
    ],
)  # fmt: skip
async def test_a_token_endpoint_that_gives_no_token_lets_nobody_in(
    issuer: TestIssuer, browser: Browser, answer: tuple[int, bytes, dict[str, str]]
) -> None:
    issuer.token_answer = answer
    await browser.is_refused(await browser.log_in(), 503, "Try again later")
    assert len(issuer.exchanged) == 1


async def test_a_slow_provider_is_waited_for_no_longer_than_it_says(
    issuer: TestIssuer, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login_module, "PROVIDER_SECONDS", 0.5)
    back = await browser.sent_back()
    issuer.delay = 60
    began = time.monotonic()
    with capture_logs() as lines:
        await browser.is_refused(await browser.ask(back, **HTML), 503, "Try again later")
    assert time.monotonic() - began < 10
    told = [(one["log_level"], one["error"]) for one in lines if one["action"] == "oidc.login_failed"]
    assert told == [("warning", "TimeoutError")], (
        "not the outbound client's own patience, which is of each call"
    )


@pytest.mark.parametrize(
    "claims",
    [{"tenant": "nowhere"}, {"tenant": None}, {"tenant": ["default"]}, {"sub": "*"}, {"sub": "two\nlines"}],
)
async def test_somebody_whom_nothing_here_stands_for_is_told_so(
    issuer: TestIssuer, browser: Browser, claims: dict[str, Any]
) -> None:
    issuer.tells = claims
    claim = "principal" if "sub" in claims else "tenant"
    await browser.is_refused(await browser.log_in(), 403, f"of the token names no {claim}")


async def test_another_site_begins_no_login_and_a_head_ends_none(browser: Browser) -> None:
    for site in ("cross-site", "same-site"):
        reply = await browser.ask("/login/oidc", **{"Sec-Fetch-Site": site})
        assert (reply.status, "Set-Cookie" in reply.headers) == (403, False)
    back = await browser.sent_back()
    assert (await browser.ask(back, hdrs.METH_HEAD)).status == 405
    assert (await browser.ask(back)).status == 303
