"""JWTs of a real issuer: who is let in, as whom, and every way in that is closed."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import asyncpg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from joserfc.jwk import OctKey, RSAKey

from oidc_issuer import TestIssuer, key_of
from service.access import issuer as issuer_module
from service.access.issuer import Issuer
from service.errors import Unauthenticated
from service.keys import SETTINGS
from service.settings import Settings
from service.web.outbound import OutboundClient

from .conftest import Answer, Caller, StartClient, application, make_admin_key


@pytest.fixture
async def nobody(issuer: TestIssuer, pool: asyncpg.Pool, aiohttp_client: StartClient) -> Caller:
    """A caller without a token, of an API that trusts the issuer."""
    await make_admin_key(pool)
    return await caller(issuer, pool, aiohttp_client)


async def caller(
    issuer: TestIssuer, pool: asyncpg.Pool, aiohttp_client: StartClient, **environ: str
) -> Caller:
    app = application(pool)
    app[SETTINGS] = Settings.from_environ({**issuer.environ, **environ})
    return Caller(await aiohttp_client(app), None)


async def me(nobody: Caller, token: str) -> Answer:
    answer = await nobody.having(token).ask("GET", "/api/me")
    if answer.status == 401:
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    return answer


def unsigned(header: dict[str, Any], claims: dict[str, Any], signature: str = "") -> str:
    """A token put together by hand."""
    parts = [
        base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=").decode() for one in (header, claims)
    ]
    return ".".join([*parts, signature])


async def test_a_good_token_is_its_bearer_with_its_roles_and_no_key(
    issuer: TestIssuer, nobody: Caller
) -> None:
    answer = await me(nobody, issuer.token(sub="anna@example.org", roles=["curator", "user", "king"]))
    assert answer.status == 200
    told = {name: answer.body[name] for name in ("tenant", "principal", "roles", "grants", "key_id")}
    assert told == {
        "tenant": "default",
        "principal": "anna@example.org",
        "roles": ["user", "curator"],
        "grants": [],
        "key_id": None,
    }


async def test_permissions_are_those_of_the_roles_and_never_cross_tenants(
    issuer: TestIssuer, nobody: Caller, pool: asyncpg.Pool
) -> None:
    admin, plain = nobody.having(issuer.token(roles="admin")), nobody.having(issuer.token(roles=None))
    assert (await admin.ask("GET", "/api/tenant")).status == 200
    assert (await admin.ask("GET", "/api/tenants")).status == 403
    assert (await plain.ask("GET", "/api/tenant")).status == 403
    made = await admin.ask("POST", "/api/keys", {"name": "n", "principal": "anna", "roles": []})
    assert made.status == 201
    row = await pool.fetchrow("SELECT principal, key_id FROM audit")
    assert row is not None
    assert tuple(row) == ("anna", None)


@pytest.mark.parametrize(
    "algorithm", ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]
)
async def test_each_allowed_algorithm_is_taken(issuer: TestIssuer, nobody: Caller, algorithm: str) -> None:
    issuer.keys = [key_of(algorithm)]
    assert (await me(nobody, issuer.token(header={"alg": algorithm}))).status == 200


async def test_a_lone_key_needs_no_name(issuer: TestIssuer, nobody: Caller) -> None:
    assert (await me(nobody, issuer.token(header={"kid": None}))).status == 200
    issuer.keys.append(key_of("RS256", "two"))
    assert (await me(nobody, issuer.token(issuer.keys[0], {"kid": None}, sub="bob"))).status == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another-service"}, {"aud": []}, {"aud": None}, {"aud": {"lavori-tests": 1}},
        {"iss": "http://127.0.0.1:1"}, {"iss": None}, {"iss": ["x"]},
        {"exp": 1}, {"exp": None}, {"exp": "tomorrow"}, {"exp": True}, {"exp": float("nan")},
        {"nbf": 99_999_999_999}, {"iat": 99_999_999_999},
    ],
)  # fmt: skip
async def test_a_token_that_is_not_for_us_or_not_for_now_is_refused(
    issuer: TestIssuer, nobody: Caller, claims: dict[str, Any]
) -> None:
    assert (await me(nobody, issuer.token(**claims))).status == 401
    assert (await me(nobody, issuer.token())).status == 200


async def test_clocks_may_differ_by_half_a_minute_and_audiences_be_several(
    issuer: TestIssuer, nobody: Caller
) -> None:
    now = int(time.time())
    assert (await me(nobody, issuer.token(exp=now - 20, nbf=now + 20, iat=now + 20))).status == 200
    assert (await me(nobody, issuer.token(exp=now - 40))).status == 401
    assert (await me(nobody, issuer.token(aud=["other", "lavori-tests"]))).status == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"tenant": "nowhere"}, {"tenant": None}, {"tenant": "'; DROP TABLE tenants; --"}, {"tenant": ["default"]},
        {"sub": ""}, {"sub": "*"}, {"sub": "x" * 201}, {"sub": "two\nlines"},
    ],
)  # fmt: skip
async def test_a_bearer_whom_nothing_here_stands_for_is_forbidden(
    issuer: TestIssuer, nobody: Caller, claims: dict[str, Any]
) -> None:
    answer = await me(nobody, issuer.token(**claims))
    assert (answer.status, answer.body["code"]) == (403, "forbidden")


async def test_unsigned_tokens_and_such_signed_with_the_public_key_are_refused(
    issuer: TestIssuer, nobody: Caller
) -> None:
    good = issuer.token()
    claims = json.loads(base64.urlsafe_b64decode(good.split(".")[1] + "=="))
    for alg in ("none", "None", "NONE", "", None, 1, ["RS256"]):
        for signature in ("", good.split(".")[2]):
            assert (await me(nobody, unsigned({"alg": alg, "kid": "one"}, claims, signature))).status == 401
    key = issuer.keys[0]
    assert isinstance(key, RSAKey)
    for secret in (key.as_pem(private=False), json.dumps(key.as_dict(private=False)).encode(), b"one"):
        head = unsigned({"alg": "HS256", "kid": "one", "typ": "JWT"}, claims).removesuffix(".")
        body = hmac.new(secret, head.encode(), hashlib.sha256).digest()
        forged = f"{head}.{base64.urlsafe_b64encode(body).rstrip(b'=').decode()}"
        assert (await me(nobody, forged)).status == 401


async def test_a_changed_token_is_refused(issuer: TestIssuer, nobody: Caller) -> None:
    head, body, signature = issuer.token().split(".")
    more = unsigned({}, {"roles": ["admin"]}).split(".")[1]
    other = TestIssuer()
    other.address = issuer.address
    for token in (
        f"{head}.{more}.{signature}",
        f"{head}.{body}.{signature[:-4]}AAAA",
        f"{head}.{body}.",
        f"{head}..{signature}",
        f"{head}.{body}.{signature}.x",
        f"eyJ.{body}.{signature}",
        other.token(),  # the right name of a key, but another key
    ):
        assert (await me(nobody, token)).status == 401, token
    assert (await me(nobody, issuer.token())).status == 200


@pytest.mark.parametrize(
    "kid",
    [
        "../../../../etc/passwd",
        "http://127.0.0.1:9/keys",
        "' OR 1=1 --",
        "one\0",
        "",
        "x" * 500,
        1,
        ["one"],
        {"a": 1},
    ],
)
async def test_a_key_is_only_ever_looked_up_by_its_name(issuer: TestIssuer, nobody: Caller, kid: Any) -> None:
    claims = {"iss": issuer.address, "aud": "lavori-tests", "exp": int(time.time()) + 60, "tenant": "default"}
    signature = issuer.token().split(".")[2]
    assert (await me(nobody, unsigned({"alg": "RS256", "kid": kid}, claims, signature))).status == 401


async def test_addresses_and_keys_in_a_tokens_header_are_not_heeded(
    issuer: TestIssuer, nobody: Caller
) -> None:
    visits = []

    async def visited(request: web.Request) -> web.Response:
        visits.append(request.path)
        return web.json_response({"keys": [evil.as_dict(private=False)]})

    evil = key_of("RS256", "evil")
    app = web.Application()
    app.router.add_get("/{tail:.*}", visited)
    async with TestServer(app) as server:
        address = str(server.make_url("/keys"))
        for name, value in {"jku": address, "x5u": address, "jwk": evil.as_dict(private=False)}.items():
            assert (await me(nobody, issuer.token(evil, {name: value, "kid": "evil"}))).status == 401
            assert (await me(nobody, issuer.token(evil, {name: value, "kid": "one"}))).status == 401
            assert (await me(nobody, issuer.token(header={name: value}))).status == 200
    assert visits == []


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")  # the library's own, of the small key
async def test_secret_small_and_broken_keys_of_the_issuer_are_left_out(
    issuer: TestIssuer, nobody: Caller
) -> None:
    small = RSAKey.generate_key(1024, {"kid": "small"})
    secret = OctKey.generate_key(256, {"kid": "secret"})
    sealing = key_of("RS256", "sealing")
    issuer.more = [
        secret.as_dict(private=True),
        small.as_dict(private=False),
        sealing.as_dict(private=False) | {"use": "enc"},
        {"kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB"},
        {"kty": "future", "kid": "future"},
        "no key",
        None,
    ]
    assert (await me(nobody, issuer.token())).status == 200
    for key in (small, sealing):
        assert (await me(nobody, issuer.token(key))).status == 401


async def test_a_key_that_was_rotated_in_is_found_and_a_stranger_makes_nobody_ask_again(
    issuer: TestIssuer, nobody: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await me(nobody, issuer.token())).status == 200
    assert issuer.asked == 1
    issuer.keys = [key_of("RS256", "two")]
    for n in range(5):
        assert (await me(nobody, issuer.token(key_of("RS256", f"strange {n}")))).status == 401
    assert issuer.asked == 1, "asked again too soon"
    monkeypatch.setattr(issuer_module, "PAUSE_SECONDS", 0.0)
    assert (await me(nobody, issuer.token())).status == 200
    assert issuer.asked == 2


async def test_a_key_that_was_taken_back_is_forgotten_when_keys_are_old(
    issuer: TestIssuer, nobody: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    former = issuer.keys[0]
    assert (await me(nobody, issuer.token())).status == 200
    issuer.keys = [key_of("RS256", "two")]
    assert (await me(nobody, issuer.token(former, sub="bob"))).status == 200
    monkeypatch.setattr(issuer_module, "OLD_SECONDS", 0.0)
    monkeypatch.setattr(issuer_module, "PAUSE_SECONDS", 0.0)
    assert (await me(nobody, issuer.token(former, sub="carla"))).status == 401


async def test_while_the_issuer_is_down_known_keys_go_on_and_unknown_ones_are_a_503(
    issuer: TestIssuer, nobody: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuer_module, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(issuer_module, "OLD_SECONDS", 0.0)
    assert (await me(nobody, issuer.token())).status == 200
    port = int(issuer.address.rpartition(":")[2])
    await issuer.stop()
    assert (await me(nobody, issuer.token(sub="bob"))).status == 200
    answer = await me(nobody, issuer.token(key_of("RS256", "two")))
    assert (answer.status, answer.body["code"]) == (503, "unavailable")
    assert answer.headers["Retry-After"]
    assert await nobody.having("an-operators-own-admin-key").is_known()
    await issuer.start(port)
    issuer.keys = [key_of("RS256", "two")]
    assert (await me(nobody, issuer.token())).status == 200


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"{",
        b"[]",
        b'{"keys": {}}',
        b'{"keys": []}',
        b'{"keys": [{"kty": "oct", "k": "AAAA"}]}',
        b" " * 300_000,
    ],
)
async def test_keys_that_cannot_be_read_let_nobody_in(
    issuer: TestIssuer, nobody: Caller, answer: bytes
) -> None:
    issuer.answer = answer
    assert (await me(nobody, issuer.token())).status == 503


async def test_an_issuer_that_calls_itself_otherwise_is_not_trusted(
    issuer: TestIssuer, nobody: Caller
) -> None:
    issuer.name = "http://127.0.0.1:1"
    assert (await me(nobody, issuer.token())).status == 503


async def test_an_issuers_own_spelling_with_a_slash_at_its_end_is_the_one_that_counts(
    issuer: TestIssuer, nobody: Caller
) -> None:
    issuer.name = f"{issuer.address}/"
    assert (await me(nobody, issuer.token(iss=issuer.name))).status == 200
    assert (await me(nobody, issuer.token())).status == 401


async def test_a_token_beyond_all_measure_is_refused(issuer: TestIssuer, nobody: Caller) -> None:
    assert (await me(nobody, issuer.token(padding="x" * 4_000))).status == 200
    asked = issuer.asked
    whole = Issuer(issuer.address, OutboundClient(()))
    with pytest.raises(Unauthenticated, match="too long"):
        await whole.claims(issuer.token(padding="x" * 8_000), "lavori-tests")
    assert issuer.asked == asked
    assert (await me(nobody, issuer.token(header={"x5c": ["x" * 1_000]}))).status == 200


async def test_claims_stand_where_the_operator_says(
    issuer: TestIssuer, pool: asyncpg.Pool, aiohttp_client: StartClient
) -> None:
    nobody = await caller(
        issuer,
        pool,
        aiohttp_client,
        OIDC_TENANT_CLAIM="https://example.org/tenant",
        OIDC_PRINCIPAL_CLAIM="email",
        OIDC_ROLES_CLAIM="realm_access.roles",
    )
    claims: dict[str, Any] = {
        "https://example.org/tenant": "default",
        "email": "anna@example.org",
        "realm_access": {"roles": ["viewer"]},
        "tenant": None,
        "roles": ["admin"],
    }
    answer = await me(nobody, issuer.token(**claims))
    assert (answer.status, answer.body["principal"], answer.body["roles"]) == (
        200,
        "anna@example.org",
        ["viewer"],
    )
    assert (await me(nobody, issuer.token(**claims | {"realm_access": "x", "sub": "y"}))).body["roles"] == []


async def test_without_an_issuer_a_token_is_a_stranger(admin: Caller, issuer: TestIssuer) -> None:
    assert (await me(admin, issuer.token())).status == 401
    assert issuer.asked == 0
