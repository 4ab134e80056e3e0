"""Who calls: headers of every kind, what is remembered of tokens, and for how long."""

import asyncio
import random
import time
from collections.abc import AsyncIterator

import asyncpg
import pytest

from service.access import identities
from service.access.store import NOTE_USE_IF_A_MINUTE_OLD, PRINCIPALS_BY_HASH
from service.settings import SettingsError

from .conftest import ADMIN_KEY, Caller, StartClient, application, make_admin_key


async def became(caller: Caller, *, known: bool, within: float) -> float:
    """Ask on and on until the token is (not) known; the seconds until what said so was asked."""
    began = asked = time.monotonic()
    while await caller.is_known() is not known:
        assert asked - began < within, f"still {'un' if known else ''}known after {within} s"
        asked = time.monotonic()
    return asked - began


async def test_me_tells_who_i_am(admin: Caller) -> None:
    answer = await admin.ask("GET", "/api/me")
    assert answer.status == 200
    assert answer.body.pop("key_id")
    assert answer.body == {
        "tenant": "default",
        "principal": "admin",
        "roles": ["admin"],
        "grants": ["tenants"],
        "limits": {
            "queued": None,
            "running": None,
            "storage_bytes": None,
            "requests_per_minute": None,
            "waiters": None,
        },
        "used": {
            "queued": 0,
            "running": 0,
            "storage_bytes": 0,
            "requests_per_minute": None,
            "waiters": 0,
        },
    }


async def test_without_a_token_nothing_is_told(admin: Caller) -> None:
    answer = await admin.having(None).ask("GET", "/api/me")
    assert (answer.status, answer.body["code"]) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER ", "bEaReR    "])
async def test_the_scheme_is_taken_in_any_case(admin: Caller, scheme: str) -> None:
    answer = await admin.having(None).ask("GET", "/api/me", Authorization=scheme + ADMIN_KEY)
    assert answer.status == 200


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", ADMIN_KEY, f"Basic {ADMIN_KEY}", f"Bearer{ADMIN_KEY}", f"Bearer Bearer {ADMIN_KEY}",
     f"Bearer {ADMIN_KEY},", f"Bearer {ADMIN_KEY} x", f"Bearer {ADMIN_KEY.upper()}", "Bearer " + "x" * 7000,
     "Bearer lv_" + "0" * 89],
)  # fmt: skip
async def test_a_header_that_is_not_right_is_a_401(admin: Caller, header: str) -> None:
    answer = await admin.having(None).ask("GET", "/api/me", Authorization=header)
    assert (answer.status, answer.body["code"]) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_no_bytes_in_the_header_cause_a_500(admin: Caller) -> None:
    chance = random.Random(2026)
    port = admin.client.port
    seeds = [
        b"Bearer " + ADMIN_KEY.encode(),
        b"bearer \xc3\xa8" + b"k" * 30,
        b"Basic YTpi",
        b"Bearer lv_" + b"a" * 89,
    ]
    for _ in range(400):
        value = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(0, 6)):
            value[chance.randrange(len(value))] = chance.randrange(256)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"GET /api/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: %b\r\n\r\n"
            % bytes(value)
        )
        status = int((await reader.readline()).split()[1])
        assert status in {200, 400, 401}, bytes(value)
        await reader.read()
        writer.close()
        await writer.wait_closed()


async def test_an_open_route_needs_no_token_but_takes_no_wrong_one(admin: Caller) -> None:
    nobody = await admin.having(None).ask("GET", "/open")
    assert (nobody.status, nobody.body) == (200, {"principal": None})
    assert (await admin.ask("GET", "/open")).body == {"principal": "admin"}
    assert (await admin.having("x" * 30).ask("GET", "/open")).status == 401


async def test_unknown_paths_and_methods_are_told_as_such(admin: Caller) -> None:
    assert (await admin.having(None).ask("GET", "/api/nothing")).status == 404
    assert (await admin.having(None).ask("PUT", "/api/me")).status == 405


async def test_a_customer_code_must_be_the_tokens_own(admin: Caller) -> None:
    assert (await admin.ask("GET", "/api/me", X_Customer_Code="default")).status == 200
    empty = await admin.ask("GET", "/api/me", X_Customer_Code="")
    assert (empty.status, empty.body["code"]) == (400, "malformed")
    for foreign in ("other", "DEFAULT"):
        answer = await admin.ask("GET", "/api/me", X_Customer_Code=foreign)
        assert (answer.status, answer.body["code"]) == (403, "forbidden")


async def test_revocation_is_effective_while_the_key_is_in_use(admin: Caller, elsewhere: Caller) -> None:
    key = await admin.make_key("user")
    there = elsewhere.having(key.caller.token)
    assert await key.caller.is_known()
    assert await there.is_known()
    assert (await admin.ask("DELETE", f"/api/keys/{key.id}")).status == 204
    assert not await key.caller.is_known()
    assert (
        await became(there, known=False, within=1.5) > 0.1
    )  # it was remembered, which is what this test is about


async def test_rotation_ends_the_old_token_and_begins_the_new(admin: Caller, elsewhere: Caller) -> None:
    key = await admin.make_key("user")
    there = elsewhere.having(key.caller.token)
    assert await there.is_known()
    rotated = await admin.ask("POST", f"/api/keys/{key.id}/rotate")
    assert (rotated.status, rotated.body["id"]) == (200, key.id)
    assert await admin.having(rotated.body["secret"]).is_known()
    assert not await key.caller.is_known()
    await became(there, known=False, within=1.5)


async def test_with_grace_both_tokens_are_good_until_it_ends(admin: Caller) -> None:
    key = await admin.make_key("user")
    rotated = await admin.ask("POST", f"/api/keys/{key.id}/rotate", {"grace_seconds": 2})
    new = admin.having(rotated.body["secret"])
    assert await new.is_known()
    assert await key.caller.is_known()
    assert await became(key.caller, known=False, within=3.5) > 1
    assert await new.is_known()


async def test_a_second_rotation_in_the_grace_ends_the_first_token(admin: Caller) -> None:
    key = await admin.make_key("user")
    second = (await admin.ask("POST", f"/api/keys/{key.id}/rotate", {"grace_seconds": 60})).body["secret"]
    third = (await admin.ask("POST", f"/api/keys/{key.id}/rotate", {"grace_seconds": 60})).body["secret"]
    assert not await key.caller.is_known()
    assert await admin.having(second).is_known()
    assert await admin.having(third).is_known()
    assert (await admin.ask("DELETE", f"/api/keys/{key.id}")).status == 204
    assert not await admin.having(second).is_known()
    assert not await admin.having(third).is_known()


async def test_an_expired_key_is_refused_by_the_databases_clock(admin: Caller, pool: asyncpg.Pool) -> None:
    key = await admin.make_key("user", expires_at="2099-01-01T00:00:00+02:00")
    assert await key.caller.is_known()
    await pool.execute("UPDATE keys SET expires_at = now() + interval '0.2 s' WHERE id = $1", key.id)
    await became(key.caller, known=False, within=2)


@pytest.mark.parametrize(("seconds_ago", "is_noted"), [(59, False), (61, True)])
async def test_use_is_noted_at_most_once_a_minute(
    admin: Caller, pool: asyncpg.Pool, seconds_ago: int, *, is_noted: bool
) -> None:
    key = await admin.make_key("user")
    before = await pool.fetchval(
        "UPDATE keys SET last_used_at = now() - make_interval(secs => $2) WHERE id = $1 RETURNING last_used_at",
        key.id,
        seconds_ago,
    )
    assert await key.caller.is_known()
    assert (await pool.fetchval("SELECT last_used_at FROM keys WHERE id = $1", key.id) > before) is is_noted


async def test_the_first_use_is_noted(admin: Caller) -> None:
    key = await admin.make_key("user")
    assert await key.caller.is_known()
    listed = {one["id"]: one for one in (await admin.ask("GET", "/api/keys")).body["keys"]}
    assert listed[key.id]["last_used_at"] is not None


@pytest.fixture
async def counted(
    admin: Caller, database_url: str, aiohttp_client: StartClient
) -> AsyncIterator[tuple[Caller, list[str]]]:
    """The admin at a server whose statements are written down."""
    statements: list[str] = []

    def write_down(query: asyncpg.connection.LoggedQuery) -> None:
        if query.query in {PRINCIPALS_BY_HASH, NOTE_USE_IF_A_MINUTE_OLD}:  # not what asyncpg asks of types
            statements.append(query.query)

    async def listen(connection: asyncpg.Connection) -> None:
        connection.add_query_logger(write_down)

    async with asyncpg.create_pool(database_url, min_size=4, max_size=4, init=listen) as pool:
        caller = Caller(await aiohttp_client(application(pool)), ADMIN_KEY)
        statements.clear()
        yield caller, statements


async def test_a_thousand_concurrent_requests_with_one_key_make_few_queries(
    counted: tuple[Caller, list[str]],
) -> None:
    caller, statements = counted
    began = time.monotonic()
    assert all(await asyncio.gather(*(caller.is_known() for _ in range(1000))))
    seconds = time.monotonic() - began
    # Two batches and a note of use at first; then the same for each second that is over.
    assert 1 <= len(statements) <= 3 * (1 + seconds)


async def test_a_wrong_token_is_remembered_too(counted: tuple[Caller, list[str]]) -> None:
    caller, statements = counted
    stranger = caller.having("not-a-key-of-anybody")
    began = time.monotonic()
    for _ in range(50):
        assert not await stranger.is_known()
    assert 1 <= len(statements) <= 1 + (time.monotonic() - began)


async def test_a_mistyped_token_is_refused_without_a_query(counted: tuple[Caller, list[str]]) -> None:
    caller, statements = counted
    assert not await caller.having("lv_" + "0" * 89).is_known()
    assert statements == []


async def test_a_flood_of_strangers_displaces_nobody(
    counted: tuple[Caller, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identities, "CAPACITY", 10)
    caller, statements = counted
    remembered = caller.client.app[identities.IDENTITIES]
    for number in range(25):
        assert await remembered.of(f"stranger-number-{number:04}") is None
    assert len(remembered._tokens._strangers) <= 10
    assert await caller.is_known()
    statements.clear()
    for number in range(25, 50):
        await remembered.of(f"stranger-number-{number:04}")
    assert next(iter(remembered._tokens._known.values()))[1].name == "admin"


async def test_an_answer_under_way_when_all_was_forgotten_is_not_remembered(admin: Caller) -> None:
    app = admin.client.app
    assert app is not None
    remembered = app[identities.IDENTITIES]
    under_way = asyncio.create_task(remembered.of(ADMIN_KEY))
    await asyncio.sleep(0)
    remembered.forget()
    assert await under_way is not None
    assert remembered._tokens._known == {}


async def test_while_the_database_is_away_the_answer_is_a_503(admin: Caller, pool: asyncpg.Pool) -> None:
    key = await admin.make_key("user")
    await pool.close()
    answer = await key.caller.ask("GET", "/api/me")
    assert (answer.status, answer.body["code"]) == (503, "unavailable")
    assert "Retry-After" in answer.headers


async def test_the_admin_key_is_made_once_by_many_at_once(pool: asyncpg.Pool) -> None:
    await asyncio.gather(*(make_admin_key(pool) for _ in range(8)))
    assert await pool.fetchval("SELECT count(*) FROM keys") == 1


async def test_the_setting_brings_a_revoked_admin_key_back(admin: Caller, pool: asyncpg.Pool) -> None:
    key_id = (await admin.ask("GET", "/api/me")).body["key_id"]
    await admin.make_key("admin")
    assert (await admin.ask("DELETE", f"/api/keys/{key_id}")).status == 204
    assert not await admin.is_known()
    await make_admin_key(pool)
    await became(admin, known=True, within=1.5)


async def test_the_setting_holds_after_its_key_was_rotated(admin: Caller, pool: asyncpg.Pool) -> None:
    key_id = (await admin.ask("GET", "/api/me")).body["key_id"]
    rotated = await admin.ask("POST", f"/api/keys/{key_id}/rotate", {"grace_seconds": 60})
    await make_admin_key(pool)
    assert await admin.is_known()
    assert await admin.having(rotated.body["secret"]).is_known()


@pytest.mark.parametrize("secret", ["k" * 19, "k" * 513, "k" * 20 + "\n", "lv_" + "0" * 89])
async def test_an_admin_key_that_no_header_could_carry_is_refused_at_start(
    pool: asyncpg.Pool, secret: str
) -> None:
    with pytest.raises(SettingsError, match="LAVORI_ADMIN_KEY"):
        await make_admin_key(pool, secret)
