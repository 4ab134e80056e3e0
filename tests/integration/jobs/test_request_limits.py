"""Limits of requests: told in headers, held by all processes together, and by each alone while Redis is away."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer

from asking import Answer, ask, key_for, other_tenant
from service.app import create_app
from service.dev.ports import free_port
from service.jobs.jobtype import JobTypes
from service.settings import Settings

LEFT = re.compile(r'"tenant";r=(\d+);t=(\d+)')


async def limit(api: ClientSession, **limits: Any) -> None:
    answer = await ask(api, "PATCH", "/api/tenant", json=limits)
    assert answer.status == 200, answer


async def several(api: ClientSession, count: int, path: str = "/api/me", **how: Any) -> Counter[int]:
    answers = await asyncio.gather(*(ask(api, "GET", path, **how) for _ in range(count)))
    return Counter(one.status for one in answers)


@pytest.fixture
async def elsewhere(
    settings: Settings, job_types: JobTypes, api: ClientSession
) -> AsyncIterator[ClientSession]:
    """The same service by another process: it shares nothing with `api` but the servers."""
    async with (
        TestServer(create_app(settings, job_types)) as server,
        ClientSession(server.make_url("/"), headers=api.headers) as session,
    ):
        yield session


@pytest.fixture
async def without_redis(
    settings: Settings, job_types: JobTypes, tmp_path: Path, api: ClientSession
) -> AsyncIterator[ClientSession]:
    """An API whose Redis does not answer."""
    away = replace(settings, redis_url=f"redis://127.0.0.1:{free_port(str(tmp_path))}/0")
    async with (
        TestServer(create_app(away, job_types)) as server,
        ClientSession(server.make_url("/"), headers=api.headers) as session,
    ):
        yield session


async def test_without_a_limit_no_header_speaks_of_one(api: ClientSession) -> None:
    for answer in (await ask(api, "GET", "/api/me"), await ask(api, "GET", "/api/jobs/nonsense")):
        assert not [name for name in answer.headers if name.lower().startswith("ratelimit")]


async def test_requests_under_a_limit_tell_what_is_left_whatever_comes_of_them(api: ClientSession) -> None:
    await limit(api, caps={"requests_per_minute": 60})
    paths = {"/api/me": 200, "/api/jobs/nonsense": 404, "/api/jobs?page=1": 400, "/api/jobs": 200}
    for n, (path, status) in enumerate(paths.items(), start=1):
        answer = await ask(api, "GET", path)
        assert answer.status == status
        assert answer.headers["RateLimit-Policy"] == '"tenant";q=60;w=60'
        told = LEFT.fullmatch(answer.headers["RateLimit"])
        assert told, answer.headers
        assert 60 - n <= int(told[1]) <= 60
        assert int(told[2]) <= n
    async with api.get("/api/events") as stream:
        assert (stream.status, LEFT.fullmatch(stream.headers["RateLimit"]) is not None) == (200, True)


async def test_over_the_limit_a_request_is_refused_and_told_when_to_come_again(api: ClientSession) -> None:
    await limit(api, caps={"requests_per_minute": 5})
    assert await several(api, 12) == {200: 5, 429: 7}
    refused: Answer = await ask(api, "POST", "/api/jobs", json={"type": "echo"})
    assert (refused.status, refused.body["code"]) == (429, "rate_limited")
    assert "5 a minute for this tenant" in refused.body["detail"]
    assert 1 <= int(refused.headers["Retry-After"]) <= 12
    assert refused.headers["RateLimit-Policy"] == '"tenant";q=5;w=60'
    assert refused.headers["RateLimit"].startswith('"tenant";r=0;t=')


async def test_all_processes_share_one_limit(api: ClientSession, elsewhere: ClientSession) -> None:
    await limit(api, caps={"requests_per_minute": 10})
    assert await several(api, 6) == {200: 6}
    answers = await several(elsewhere, 12)
    assert 4 <= answers[200] <= 5, "one more may have been filled in meanwhile"
    assert answers[429] == 12 - answers[200]


async def test_a_noisy_tenant_leaves_a_quiet_one_alone(api: ClientSession) -> None:
    quiet = await other_tenant(api)
    await limit(api, caps={"requests_per_minute": 5})
    await ask(api, "PATCH", "/api/tenant", headers=quiet, json={"caps": {"requests_per_minute": 5}})
    assert (await several(api, 30))[429] >= 24
    assert await several(api, 4, headers=quiet) == {200: 4}


async def test_one_key_takes_no_more_of_its_tenants_requests_than_a_key_may(api: ClientSession) -> None:
    first, second = await key_for(api, "anna", "user"), await key_for(api, "anna", "user")
    await limit(api, caps={"requests_per_minute": 8}, key_requests_per_minute=3)
    answers = await asyncio.gather(*(ask(api, "GET", "/api/me", headers=first) for _ in range(6)))
    assert Counter(one.status for one in answers) == {200: 3, 429: 3}
    refused = next(one for one in answers if one.status == 429)
    assert refused.headers["RateLimit-Policy"] == '"tenant";q=8;w=60, "key";q=3;w=60'
    assert "3 a minute for this key" in refused.body["detail"]
    assert await several(api, 6, headers=second) == {200: 3, 429: 3}
    assert await several(api, 6) == {200: 2, 429: 4}, "the tenant's own limit holds for all its keys together"


async def test_requests_that_need_no_token_are_not_counted(api: ClientSession) -> None:
    await limit(api, caps={"requests_per_minute": 1})
    assert await several(api, 5, "/livez") == {200: 5}
    assert await several(api, 5, "/api/openapi.json") == {200: 5}
    assert await several(api, 2) == {200: 1, 429: 1}


async def test_while_redis_is_away_each_process_holds_the_limit_by_itself(
    without_redis: ClientSession,
) -> None:
    await limit(without_redis, caps={"requests_per_minute": 5})
    assert await several(without_redis, 12) == {200: 5, 429: 7}
    refused = await ask(without_redis, "GET", "/api/me")
    assert (refused.body["code"], "Retry-After" in refused.headers) == ("rate_limited", True)
    assert refused.headers["RateLimit"].startswith('"tenant";r=0;t=')
