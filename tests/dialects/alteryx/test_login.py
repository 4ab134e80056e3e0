"""Alteryx: access tokens by OAuth 2's client credentials."""

import asyncio
import gzip
from base64 import b64encode
from typing import Any

import asyncpg
import pytest
from aiohttp import ClientSession, encode_basic_auth
from oauthlib.oauth2 import BackendApplicationClient  # type: ignore[import-untyped]
from requests_oauthlib import OAuth2Session  # type: ignore[import-untyped]  # it carries no types
from uuid_utils.compat import uuid7

from alteryx_asking import JOBS, TOKEN, ask_alteryx
from asking import Answer, ask
from running import Submit
from service.access.access_tokens import AccessTokens, Granted, is_access_token

GRANT = {"grant_type": "client_credentials"}


async def new_key(api: ClientSession, principal: str = "olga", **more: Any) -> tuple[str, str]:
    """Id and secret of a key."""
    asked = {"name": "k", "principal": principal, "roles": ["curator"], **more}
    made = await ask(api, "POST", "/api/keys", json=asked)
    return made.body["id"], made.body["secret"]


async def login(api: ClientSession, data: Any = None, **how: Any) -> Answer:
    """Ask for a token, without another one."""
    async with ClientSession() as nobody, nobody.post(api._build_url(TOKEN), data=data, **how) as response:
        body = await response.json()
        assert response.headers["Cache-Control"] == "no-store" or response.status >= 404
        return Answer(response.status, response.headers, body, "")


async def token_of(api: ClientSession, key_id: str, secret: str) -> dict[str, str]:
    """Headers of an access token."""
    answer = await login(api, {**GRANT, "client_id": key_id, "client_secret": secret})
    assert answer.status == 200, answer
    return {"Authorization": f"Bearer {answer.body['access_token']}"}


async def test_a_form_and_basic_give_a_token_of_the_key(api: ClientSession, submit: Submit) -> None:
    key_id, secret = await new_key(api)
    job_id = (await submit())["id"]
    by_form = await login(api, {**GRANT, "client_id": key_id, "client_secret": secret, "scope": "any"})
    by_basic = await login(api, GRANT, headers={"Authorization": encode_basic_auth(key_id, secret)})
    for answer in (by_form, by_basic):
        assert answer.status == 200, answer
        assert answer.body.keys() == {"access_token", "token_type", "expires_in"}
        assert (answer.body["token_type"].lower(), answer.body["expires_in"]) == ("bearer", 3600)
        assert secret not in answer.body["access_token"]
        bearer = {"Authorization": f"bEaReR {answer.body['access_token']}"}
        assert (await ask_alteryx(api, "GET", f"{JOBS}/{job_id}", headers=bearer)).status == 200
        me = (await ask(api, "GET", "/api/me", headers=bearer)).body
        assert (me["principal"], me["key_id"], me["roles"]) == ("olga", key_id, ["curator"])


async def test_a_public_oauth2_client_logs_in_and_reads(
    api: ClientSession, submit: Submit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")  # the test's server has no TLS
    key_id, secret = await new_key(api)
    job_id = (await submit())["id"]

    def client() -> Any:
        with OAuth2Session(client=BackendApplicationClient(client_id=key_id)) as session:
            session.fetch_token(str(api._build_url(TOKEN)), client_id=key_id, client_secret=secret)
            return session.get(str(api._build_url(f"{JOBS}/{job_id}"))).json()

    assert (await asyncio.to_thread(client))["id"] == job_id


@pytest.mark.parametrize(
    ("data", "status", "error"),
    [
        ({}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        (GRANT, 401, "invalid_client"),
        ({**GRANT, "client_id": "x", "client_secret": "y"}, 401, "invalid_client"),
        ("grant_type=client_credentials&grant_type=client_credentials", 400, "invalid_request"),
        ("grant_type=client_credentials&client_id=%FF%00&client_secret=%FF%00", 401, "invalid_client"),
        ("x" * 9_000, 400, "invalid_request"),
        (b"\xff\xfe", 400, "invalid_request"),
    ],
)
async def test_what_is_wrong_is_told_as_the_standard_has_it(
    api: ClientSession, data: Any, status: int, error: str
) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await login(api, data, headers=kind)
    assert (answer.status, answer.body["error"]) == (status, error)
    assert answer.body.keys() == {"error", "error_description"}
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)


@pytest.mark.parametrize(
    ("body", "packing", "error"),
    [
        (gzip.compress(b"grant_type=password"), "gzip", "unsupported_grant_type"),
        (b"no gzip at all", "gzip", "invalid_request"),
        (gzip.compress(bytes(10_000_000)), "gzip", "invalid_request"),
    ],
)
async def test_a_packed_body_is_unpacked_or_refused_as_the_standard_has_it(
    api: ClientSession, body: bytes, packing: str, error: str
) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Content-Encoding": packing}
    answer = await login(api, body, headers=headers)
    assert (answer.status, answer.body["error"]) == (400, error), answer


async def test_wrong_clients_are_refused_alike(api: ClientSession) -> None:
    (one, secret), (other, _) = await new_key(api), await new_key(api, "otto")
    access = (await token_of(api, one, secret))["Authorization"].removeprefix("Bearer ")
    for client_id, given in (
        (other, secret),
        (one, secret[:-1] + "x"),
        ("", secret),
        (one, ""),
        (one, access),
    ):
        by_form = await login(api, {**GRANT, "client_id": client_id, "client_secret": given})
        by_basic = await login(api, GRANT, headers={"Authorization": encode_basic_auth(client_id, given)})
        assert by_form.status == by_basic.status == 401
        assert by_form.body == by_basic.body
    for header in ("Bearer x", "Basic", "Basic %%%", "Basic " + b64encode(b"no colon").decode()):
        assert (await login(api, GRANT, headers={"Authorization": header})).status == 401
    assert (await login(api, data=b"{}", headers={"Content-Type": "application/json"})).status == 400


async def test_a_token_ends_with_its_key_its_secret_and_its_hour(
    api: ClientSession, pool: asyncpg.Pool
) -> None:
    key_id, secret = await new_key(api)
    held = await token_of(api, key_id, secret)
    assert (await ask(api, "GET", "/api/me", headers=held)).status == 200
    rotated = await ask(api, "POST", f"/api/keys/{key_id}/rotate", json={})
    assert (await ask(api, "GET", "/api/me", headers=held)).status == 401
    newer = await token_of(api, key_id, rotated.body["secret"])
    assert (await ask(api, "GET", "/api/me", headers=newer)).status == 200
    assert (await ask(api, "DELETE", f"/api/keys/{key_id}")).status == 204
    assert (await ask(api, "GET", "/api/me", headers=newer)).status == 401

    key_id, secret = await new_key(api)
    tokens = AccessTokens(["a-secret-key-for-the-tests-of-32-bytes"])
    now = await pool.fetchval("SELECT extract(epoch FROM now())::bigint")
    hashed: bytes = await pool.fetchval("SELECT secret_hash FROM keys WHERE id = $1::uuid", key_id)
    for seconds, status in ((60, 200), (-1, 401)):
        token = tokens.make(
            Granted(await pool.fetchval("SELECT $1::text::uuid", key_id), hashed[:10], now + seconds)
        )
        headers = {"Authorization": f"Bearer {token}"}
        assert (await ask(api, "GET", "/api/me", headers=headers)).status == status


async def test_an_hours_token_begins_no_session(api: ClientSession) -> None:
    held = await token_of(api, *await new_key(api))
    key = held["Authorization"].removeprefix("Bearer ")
    assert (await ask(api, "POST", "/api/session", json={"key": key})).status == 401
    assert (await ask(api, "POST", "/api/session/tickets", headers=held)).status == 403


def test_every_changed_character_is_refused() -> None:
    tokens, older = AccessTokens(["new" * 12, "old" * 12]), AccessTokens(["old" * 12])
    granted = Granted(uuid7(), b"0123456789", 2**33)
    token = tokens.make(granted)
    assert is_access_token(token)
    assert tokens.read(token) is not None
    assert tokens.read(older.make(granted)) is not None
    assert older.read(token) is None
    for place in range(len(token)):
        for character in "Aa_-é=":
            changed = token[:place] + character + token[place + 1 :]
            assert (tokens.read(changed) is None) == (changed != token), changed
    for cut in ("", token[:-1], token + "A", token[:-4]):
        assert tokens.read(cut) is None
