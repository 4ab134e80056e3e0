"""Download links: who makes them, who follows them, and when they are over."""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from service.files.keys import SIGNER
from service.files.links import LinkSigner

from .conftest import Answer, Caller, StartClient, World, application

CONTENT = bytes(range(256)) * 1000


async def shared(world: World, by: Caller, **asked: Any) -> tuple[str, dict[str, Any]]:
    """The path of a new link to an output of a job of anna's, and the link."""
    job_id = await world.job()
    output_id = await world.output(job_id, CONTENT)
    made = await by.ask("POST", f"/api/jobs/{job_id}/outputs/{output_id}/links", asked)
    assert made.status == 201, made.body
    return path_of(made.body["url"]), {**made.body, "at": f"/api/jobs/{job_id}/outputs/{output_id}/links"}


def path_of(url: str) -> str:
    return "/d/" + url.partition("/d/")[2]


async def downloads_of(world: World, link_id: str) -> list[tuple[str | None, str]]:
    rows = await world.pool.fetch(
        "SELECT principal, outcome, address FROM downloads WHERE link_id = $1 ORDER BY at", UUID(link_id)
    )
    assert all(row["address"] == "127.0.0.1" for row in rows)
    return [(row["principal"], row["outcome"]) for row in rows]


async def count_of(world: World, link_id: str) -> int:
    count: int = await world.pool.fetchval("SELECT downloads FROM links WHERE id = $1", UUID(link_id))
    return count


async def test_a_link_is_made_with_what_was_asked(world: World, anna: Caller) -> None:
    _, link = await shared(world, anna, scope="public", expires_in=60, max_downloads=3)
    created = datetime.fromisoformat(link["created_at"])
    assert (
        timedelta(seconds=59) < datetime.fromisoformat(link["expires_at"]) - created < timedelta(seconds=61)
    )
    origin = f"http://127.0.0.1:{world.client.port}"
    token = world.client.app[SIGNER].token(UUID(link["id"]))
    assert {name: link[name] for name in link if name not in ("created_at", "expires_at", "at")} == {
        "id": link["id"],
        "output_id": link["at"].split("/")[-2],
        "url": f"{origin}/d/{link['id']}/{token}",
        "scope": "public",
        "max_downloads": 3,
        "downloads": 0,
        "revoked_at": None,
        "created_by": "anna",
    }


async def test_a_link_lives_as_long_as_the_tenant_has_it_and_is_private(world: World, anna: Caller) -> None:
    await world.pool.execute("UPDATE tenants SET link_seconds = 3600")
    for asked in ({}, {"expires_in": None, "max_downloads": None}):
        _, link = await shared(world, anna, **asked)
        lifetime = datetime.fromisoformat(link["expires_at"]) - datetime.fromisoformat(link["created_at"])
        assert timedelta(seconds=3599) < lifetime < timedelta(seconds=3601)
        assert (link["scope"], link["max_downloads"]) == ("private", None)


@pytest.mark.parametrize(
    ("asked", "pointers"),
    [
        ({"scope": "everyone"}, ["#/scope"]),
        ({"expires_in": 0, "max_downloads": 0}, ["#/expires_in", "#/max_downloads"]),
        ({"expires_in": "60"}, ["#/expires_in"]),
        ({"expires_in": 1.5}, ["#/expires_in"]),
        ({"expires_in": 10**12}, ["#/expires_in"]),
        ({"max_downloads": 2**31}, ["#/max_downloads"]),
        ({"max_downloads": True}, ["#/max_downloads"]),
        ({"scope": None}, ["#/scope"]),
        ({"token": "mine"}, ["#/token"]),
        ([], ["#"]),
    ],
)
async def test_a_link_that_cannot_be_is_422_with_every_fault(
    world: World, anna: Caller, asked: object, pointers: list[str]
) -> None:
    job_id = await world.job()
    output_id = await world.output(job_id, b"abc")
    refused = await anna.ask("POST", f"/api/jobs/{job_id}/outputs/{output_id}/links", asked)
    assert refused.status == 422
    assert sorted(fault["pointer"] for fault in refused.body["errors"]) == pointers


async def test_links_are_made_and_revoked_by_who_may_control_the_job(world: World, anna: Caller) -> None:
    _, link = await shared(world, anna)
    viewer, curator = await world.caller("vera", "viewer"), await world.caller("carla", "curator")
    assert (await viewer.ask("POST", link["at"], {})).status == 403
    assert (await viewer.ask("DELETE", f"{link['at']}/{link['id']}")).status == 403
    assert (await viewer.get(link["at"])).status == 200
    assert (await curator.ask("POST", link["at"])).status == 201
    assert (await curator.ask("DELETE", f"{link['at']}/{link['id']}")).status == 204


async def test_links_are_listed_newest_first_in_pages_with_the_same_address(
    world: World, anna: Caller
) -> None:
    _, first = await shared(world, anna)
    made = [(await anna.ask("POST", first["at"], {})).body for _ in range(4)]
    expected = [link["url"] for link in [*reversed(made), first]]
    assert [link["url"] for link in (await anna.get(first["at"])).body["links"]] == expected
    path, listed = f"{first['at']}?limit=2", []
    while path:
        page = (await anna.get(path)).body
        listed += [link["url"] for link in page["links"]]
        path = page.get("next")
    assert listed == expected


async def test_a_public_link_needs_no_login_and_looks_at_none(world: World, anna: Caller) -> None:
    path, link = await shared(world, anna, scope="public")
    for headers in ({}, {"Authorization": "Bearer nonsense"}):
        sent = await world.nobody.get(path, **headers)
        assert (sent.status, sent.content == CONTENT) == (200, True)
        assert sent.headers["Content-Disposition"].startswith("attachment; ")
        assert sent.headers["X-Content-Type-Options"] == "nosniff"
        assert sent.headers["Content-Security-Policy"] == "sandbox"
        assert sent.headers["Referrer-Policy"] == "no-referrer"
        assert sent.headers["ETag"]
    assert await downloads_of(world, link["id"]) == [(None, "begun")] * 2


# Who gets what through which scope: rows are callers, columns public, private and organization.
MATRIX = {
    "nobody": (200, 401, 401),
    "creator": (200, 200, 200),
    "viewer": (200, 403, 200),
    "user": (200, 403, 200),
    "curator": (200, 403, 200),
    "admin": (200, 403, 200),
    "stranger": (200, 404, 404),
    "bad token": (200, 401, 401),
}


@pytest.mark.parametrize("column", range(3))
async def test_the_scope_says_who_may_follow_a_link(world: World, anna: Caller, column: int) -> None:
    scope = ("public", "private", "organization")[column]
    path, _ = await shared(world, anna, scope=scope)
    roles = ("viewer", "user", "curator", "admin")
    callers = {
        "nobody": world.nobody,
        "creator": anna,
        "stranger": await world.stranger(),
        "bad token": Caller(world.client, "lv_nonsense_of_some_length"),
        **{role: await world.caller(f"a {role}", role) for role in roles},
    }
    for name, caller in callers.items():
        for headers in ({}, {"Range": "bytes=1-2"}):
            sent = await caller.get(path, **headers)
            wanted = MATRIX[name][column]
            assert sent.status == (206 if headers and wanted == 200 else wanted), name
            assert (b"\x01\x02" in sent.content) == (wanted == 200)
            if wanted == 401:
                assert sent.headers["WWW-Authenticate"] == "Bearer"


async def test_a_private_link_of_another_is_for_the_jobs_creator_alone(world: World, anna: Caller) -> None:
    curator = await world.caller("carla", "curator")
    path, _ = await shared(world, curator, scope="private")
    assert (await anna.get(path)).status == 200
    assert (await curator.get(path)).status == 403


async def test_a_wrong_token_or_id_is_404_as_an_unknown_link_is(world: World, anna: Caller) -> None:
    path, link = await shared(world, anna, scope="public")
    _, _, link_id, token = path.split("/")
    unknown = uuid4()
    foreign = LinkSigner(["another secret"]).token(UUID(link_id))
    wrong = [
        f"/d/{link_id}/{token[:-1]}",
        f"/d/{link_id}/{token}A",
        f"/d/{link_id}/{foreign}",
        f"/d/{link_id}/%ff%00",
        f"/d/{unknown}/{token}",
        f"/d/nonsense/{token}",
        f"/d/{unknown}/{world.client.app[SIGNER].token(unknown)}",
    ]
    told = [await anna.get(one) for one in wrong]
    assert {(one.status, one.body["code"], one.body["detail"]) for one in told} == {
        (404, "not_found", "no such link")
    }
    assert await downloads_of(world, link["id"]) == []


async def test_who_guesses_is_told_to_wait_and_a_right_token_is_never_held_up(
    world: World, anna: Caller
) -> None:
    path, _ = await shared(world, anna, scope="public")
    told = [await anna.get(f"{path[:-1]}{'A' if path[-1] != 'A' else 'B'}") for _ in range(70)]
    assert [one.status for one in told[:60]] == [404] * 60
    assert told[-1].status == 429
    assert told[-1].body["code"] == "rate_limited"
    assert int(told[-1].headers["Retry-After"]) >= 1
    assert (await anna.get(path)).status == 200


async def gone(answer: Answer, word: str) -> None:
    assert (answer.status, answer.body["code"]) == (410, "gone")
    assert word in answer.body["detail"]


async def test_a_revoked_link_is_gone_for_ranges_too(world: World, anna: Caller) -> None:
    path, link = await shared(world, anna, scope="public")
    assert (await world.nobody.get(path)).status == 200
    for _ in range(2):
        assert (await anna.ask("DELETE", f"{link['at']}/{link['id']}")).status == 204
    await gone(await world.nobody.get(path), "revoked")
    await gone(await world.nobody.get(path, Range="bytes=5-"), "revoked")
    assert (await world.nobody.ask("HEAD", path)).status == 410
    listed = (await anna.get(link["at"])).body["links"]
    assert listed[0]["revoked_at"]
    assert (await anna.ask("DELETE", f"{link['at']}/{uuid4()}")).status == 404


async def test_a_link_expires_by_the_databases_clock(world: World, anna: Caller) -> None:
    path, link = await shared(world, anna, scope="public", expires_in=1000)
    await world.pool.execute("UPDATE links SET expires_at = now() + interval '1 minute'")
    assert (await world.nobody.get(path)).status == 200
    await world.pool.execute("UPDATE links SET expires_at = now() - interval '1 ms'")
    await gone(await world.nobody.get(path), "expired")
    await gone(await world.nobody.get(path, Range="bytes=5-"), "expired")
    assert await count_of(world, link["id"]) == 1


async def test_who_may_not_follow_a_link_does_not_learn_that_it_is_over(world: World, anna: Caller) -> None:
    path, _ = await shared(world, anna, scope="private", expires_in=1000)
    await world.pool.execute("UPDATE links SET expires_at = now() - interval '1 ms'")
    assert (await world.nobody.get(path)).status == 401
    assert (await (await world.caller("bruno")).get(path)).status == 403
    await gone(await anna.get(path), "expired")


async def test_a_link_is_used_up_by_downloads_and_not_by_asking(world: World, anna: Caller) -> None:
    path, link = await shared(world, anna, scope="public", max_downloads=2)
    etag = (await world.nobody.ask("HEAD", path)).headers["ETag"]
    assert (await world.nobody.get(path, If_None_Match=etag)).status == 304
    assert (await world.nobody.get(path, If_Match='"x"')).status == 412
    assert (await world.nobody.get(path, Range="bytes=99999999-")).status == 416
    assert await count_of(world, link["id"]) == 0
    for _ in range(2):
        assert (await world.nobody.get(path)).status == 200
    await gone(await world.nobody.get(path), "used up")
    assert (await world.nobody.ask("HEAD", path)).status == 410
    await gone(await world.nobody.get(path, If_None_Match=etag), "used up")
    assert await count_of(world, link["id"]) == 2
    assert (await anna.get(link["at"])).body["links"][0]["downloads"] == 2


async def test_a_download_goes_on_uncounted_even_when_the_link_is_used_up(world: World, anna: Caller) -> None:
    path, link = await shared(world, anna, scope="public", max_downloads=1)
    first = await world.nobody.get(path, Range="bytes=0-999")
    rest = await world.nobody.get(path, Range="bytes=1000-")
    assert first.content + rest.content == CONTENT
    assert await count_of(world, link["id"]) == 1
    assert await downloads_of(world, link["id"]) == [(None, "begun"), (None, "continued")]
    await gone(await world.nobody.get(path, Range="bytes=0-5"), "used up")


async def test_a_range_past_the_start_that_nobody_began_is_a_download(world: World, anna: Caller) -> None:
    path, link = await shared(world, anna, scope="organization", max_downloads=1)
    bruno = await world.caller("bruno")
    assert (await anna.get(path, Range="bytes=1-")).status == 206
    assert await count_of(world, link["id"]) == 1
    assert (await anna.get(path, Range="bytes=2-")).status == 206
    await gone(await bruno.get(path, Range="bytes=1-"), "used up")
    await world.pool.execute("UPDATE downloads SET at = at - interval '61 minutes'")
    await gone(await anna.get(path, Range="bytes=3-"), "used up")
    assert await downloads_of(world, link["id"]) == [("anna", "begun"), ("anna", "continued")]


async def test_of_many_at_once_only_as_many_as_allowed_get_through(world: World, anna: Caller) -> None:
    path, link = await shared(world, anna, scope="public", max_downloads=3)
    sent = await asyncio.gather(*(world.nobody.get(path) for _ in range(20)))
    assert sorted(one.status for one in sent) == [200] * 3 + [410] * 17
    assert await count_of(world, link["id"]) == 3
    assert len(await downloads_of(world, link["id"])) == 3


async def test_a_publish_link_follows_the_job_from_run_to_run(world: World, anna: Caller) -> None:
    job_id = await world.job(status="pending")
    path = await world.publish_link(job_id)
    waiting = await world.nobody.get(path)
    assert (waiting.status, waiting.body["code"]) == (409, "not_ready")
    assert int(waiting.headers["Retry-After"]) > 0
    await world.output(job_id, b"second", "b.csv", position=1)
    first = await world.output(job_id, b"first", "a.csv", position=0)
    assert (await world.nobody.get(path)).content == b"first"
    listed = (await anna.get(f"/api/jobs/{job_id}/outputs/{first}/links")).body["links"]
    assert [(link["output_id"], path_of(link["url"])) for link in listed] == [(None, path)]

    await world.pool.execute("UPDATE jobs SET run = 2 WHERE id = $1", job_id)
    assert (await world.nobody.get(path)).status == 409
    second = await world.output(job_id, b"again")
    assert (await world.nobody.get(path)).content == b"again"

    links = f"/api/jobs/{job_id}/outputs/{second}/links"
    assert (await anna.ask("DELETE", f"{links}/{listed[0]['id']}")).status == 204
    assert (await world.nobody.get(path)).status == 410


async def test_a_publish_link_of_a_job_that_ended_without_output_is_404(world: World) -> None:
    path = await world.publish_link(await world.job(status="failed"))
    told = await world.nobody.get(path)
    assert (told.status, told.body["detail"]) == (404, "the job has ended without an output file")


async def test_a_link_of_a_deleted_job_is_404(world: World, anna: Caller) -> None:
    path, _ = await shared(world, anna, scope="public")
    await world.pool.execute("DELETE FROM jobs")
    assert (await world.nobody.get(path)).status == 404


async def test_a_link_stays_good_over_a_rotation_of_keys(
    world: World, anna: Caller, aiohttp_client: StartClient
) -> None:
    path, link = await shared(world, anna, scope="public")
    app = application(world.pool, world.storage, LAVORI_PUBLIC_URL="https://example.org/lavori")
    app[SIGNER] = LinkSigner(["newer", "s3cret"])
    later = Caller(await aiohttp_client(app), anna.token)
    assert (await later.get(path)).status == 200
    shown = (await later.get(link["at"])).body["links"][0]["url"]
    assert shown.startswith(f"https://example.org/lavori/d/{link['id']}/")
    assert path_of(shown) != path
    assert (await later.get(path_of(shown))).status == 200
    assert (await world.nobody.get(path_of(shown))).status == 404


async def test_making_and_revoking_leave_one_audit_row_each_without_a_token(
    world: World, anna: Caller
) -> None:
    path, link = await shared(world, anna, scope="public")
    await anna.ask("DELETE", f"{link['at']}/{link['id']}")
    rows = await world.pool.fetch("SELECT * FROM audit ORDER BY id")
    assert [(row["action"], row["object_type"], row["object_id"]) for row in rows] == [
        ("create", "link", link["id"]),
        ("revoke", "link", link["id"]),
    ]
    assert path.rpartition("/")[2] not in str([dict(row) for row in rows])


async def test_a_link_cannot_be_made_to_an_output_of_another_job(world: World, anna: Caller) -> None:
    output_id = await world.output(await world.job(), b"abc")
    refused = await anna.ask("POST", f"/api/jobs/{await world.job()}/outputs/{output_id}/links", {})
    assert refused.status == 404
