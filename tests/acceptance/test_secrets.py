"""Secret args end to end: the worker has them, and no row, answer, event, log line or key of Redis does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import asyncpg
import orjson
import redis.asyncio
from aiohttp import ClientSession

from api_process import ApiProcess, events
from asking import ask, key_for, pointers
from running import until
from secret_jobs import digest, secrets_of
from service.settings import Settings
from worker_process import WorkerProcess

CANARY = "kanarienvogel"
NEW = f"{CANARY}-new-one"
FAR = "2126-01-01T00:00:00Z"
OPTIONS = {"JOB_TYPES": "secret_jobs", "LAVORI_LOG_LEVEL": "debug"}
TABLES = """
SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname
"""


def secret_args(**more: Any) -> dict[str, Any]:
    return {
        "note": "seen by all",
        "password": f'{CANARY} "one"',
        "login": {"host": "a.example.org", "password": f"{CANARY}-two"},
        "logins": [{"host": "b", "password": f"{CANARY}-three"}],
        "tokens": {"x": f"{CANARY}-four"},
        "headers": {"Accept": "text/plain", "Authorization": f"Bearer {CANARY}"},
        "vault": {"deep": f"{CANARY}-five"},
        "words": [f"{CANARY}-six"],
        **more,
    }


SHOWN = {
    "note": "seen by all",
    "password": "***",
    "login": {"host": "a.example.org", "password": "***"},
    "logins": [{"host": "b", "password": "***"}],
    "tokens": {"x": "***"},
    "headers": {"Accept": "text/plain", "Authorization": "***"},
    "vault": "***",
    "words": ["***"],
}


def digest_of(args: dict[str, Any]) -> str:
    return orjson.dumps({"digest": digest(" ".join(secrets_of(args)))}).decode()


@asynccontextmanager
async def system(settings: Settings) -> AsyncIterator[tuple[ApiProcess, WorkerProcess, ClientSession]]:
    with ApiProcess(settings, environ=OPTIONS) as api, WorkerProcess(settings, OPTIONS) as worker:
        await api.until_ready()
        async with api.session() as session:
            yield api, worker, session


async def dump(database_url: str) -> str:
    """Every row of every table, as text."""
    connection = await asyncpg.connect(database_url)
    try:
        tables = [row["relname"] for row in await connection.fetch(TABLES)]
        assert {"jobs", "job_requests", "job_messages", "attempts", "audit", "idempotency_keys"} <= set(
            tables
        )
        rows = [await connection.fetch(f'SELECT t::text AS row FROM "{table}" AS t') for table in tables]
        return "\n".join(row["row"] for table in rows for row in table)
    finally:
        await connection.close()


async def dump_redis(url: str) -> str:
    async with redis.asyncio.Redis.from_url(url) as client:
        return "\n".join([f"{key} {await client.dump(key)}" async for key in client.scan_iter()])


async def test_a_canary_in_every_secret_is_found_nowhere(  # noqa: PLR0915 - it looks everywhere
    settings: Settings,
) -> None:
    async with system(settings) as (api, worker, session):
        said: list[str] = []

        async def call(method: str, path: str, status: int, **how: Any) -> Any:
            answer = await ask(session, method, path, **how)
            assert answer.status == status, answer
            said.append(f"{answer.text} {answer.headers}")
            return answer.body

        async def stream(path: str) -> None:
            async with session.get(path) as response:
                said.extend([str(event) async for event in events(response)])

        watching = asyncio.create_task(stream("/api/events"))
        args = secret_args()
        headers = {"Idempotency-Key": "one"}
        held = await call(
            "POST", "/api/jobs", 201, json={"type": "careless", "args": args, "run_at": FAR}, headers=headers
        )
        assert held["args"] == SHOWN
        await call(
            "POST", "/api/jobs", 200, json={"type": "careless", "args": args, "run_at": FAR}, headers=headers
        )
        other = secret_args(password=f"{CANARY}-other")
        again = await call(
            "POST", "/api/jobs", 422, json={"type": "careless", "args": other, "run_at": FAR}, headers=headers
        )
        assert again["code"] == "idempotency_key_reused"
        batch = await call("POST", "/api/jobs/batch", 207, json=[
            {"type": "careless", "args": secret_args(how=how), "max_attempts": 2} for how in ("ends", "fails", "raises")
        ])  # fmt: skip
        await call("GET", f"/api/jobs/{held['id']}/explain", 200)
        for status, item in zip(("finished", "failed", "failed"), batch, strict=True):
            job_id = item["job"]["id"]
            ended = await until(session, job_id, "finished", "failed", seconds=30)
            assert ended["status"] == status
            assert ended["args"] == {**SHOWN, "how": ended["args"]["how"]}
            if status == "finished":
                assert ended["output"] == digest_of(args)
            else:
                assert ended["attempt"] == 2
            said.append(str(ended))
            await call("GET", f"/api/jobs/{job_id}/messages", 200)
            await call("GET", f"/api/jobs/{job_id}/attempts", 200)
            await call("GET", f"/api/jobs/{job_id}?include=messages,attempts", 200)
            await stream(f"/api/jobs/{job_id}/events")
        failed = await call("GET", f"/api/jobs/{batch[1]['job']['id']}", 200)
        assert failed["error"]["message"].startswith("it does not work with *** ***")
        for wrong in (
            {"args": {"login": {"password": "short"}}}, {"args": {"pin": CANARY}}, {"args": {"password": 5}},
            {"args": {"how": CANARY}}, {"priority": "no", "args": {"login": {"password": 5}}},
        ):  # fmt: skip
            refused = await ask(session, "PATCH", f"/api/jobs/{held['id']}", json=wrong)
            assert refused.status == 422
        patched = await call("PATCH", f"/api/jobs/{held['id']}", 200, json={"args": {"password": NEW}})
        assert patched["args"] == SHOWN
        await call("PATCH", f"/api/jobs/{held['id']}", 200, json={"description": "x", "labels": {"a": "b"}})
        await call("POST", "/api/jobs/poll", 200, json={"jobs": [{"id": held["id"], "version": 1}]})
        listed = await call("GET", "/api/jobs?include=messages,attempts&count=true", 200)
        assert listed["count"] == 4
        found = await call("GET", f"/api/jobs?q={CANARY}", 200)
        assert found == {"jobs": []}
        assert len((await call("GET", "/api/jobs?q=seen", 200))["jobs"]) == 4
        await call("POST", "/api/jobs/actions", 200, json={"action": "rerun", "ids": [failed["id"]]})
        await call("GET", "/api/stats", 200)
        await call("GET", "/api/job-types/careless", 200)
        await call("GET", "/metrics", 200)
        await until(session, failed["id"], "failed", seconds=30)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        assert settings.database_url
        assert settings.redis_url
        rows, keys = await dump(settings.database_url), await dump_redis(settings.redis_url)
        assert held["id"] in rows
        for name, text in (("rows", rows), ("redis", keys), ("api log", api.said), ("worker log", worker.said),
                           ("answers", "\n".join(said))):  # fmt: skip
            assert text or name == "redis"
            at = text.find(CANARY)
            assert at < 0, (name, text[max(0, at - 300) : at + 300])
        assert "job.error" in worker.said
        assert "ValueError: *** ***" in worker.said


async def test_secrets_stay_through_changes_and_reruns(settings: Settings) -> None:
    async with system(settings) as (_, _, session):

        async def make(**more: Any) -> str:
            made = await ask(session, "POST", "/api/jobs", json={"type": "careless", "run_at": FAR, **more})
            assert made.status == 201, made
            return f"/api/jobs/{made.body['id']}"

        async def end_of(path: str) -> Any:
            assert (await ask(session, "PATCH", path, json={"run_at": None})).status == 200
            return (await until(session, path.rpartition("/")[2], "finished", "failed", seconds=30))["output"]

        args = secret_args()
        job = await make(args=args)
        # Merged: what is not named stays, a hidden value stays, a new one replaces; null removes.
        change = {"note": "x", "login": {"host": "new"}, "tokens": {"x": "***", "y": NEW}, "words": None}
        patched = await ask(session, "PATCH", job, json={"args": change})
        assert patched.body["args"] == {
            **{name: value for name, value in SHOWN.items() if name != "words"},
            "note": "x", "login": {"host": "new", "password": "***"}, "tokens": {"x": "***", "y": "***"},
        }  # fmt: skip
        after = {**args, "tokens": {"x": f"{CANARY}-four", "y": NEW}, "words": []}
        # What the client was shown can be sent back whole.
        put = {"type": "careless", "run_at": FAR, "args": patched.body["args"]}
        assert (await ask(session, "PUT", job, json=put)).body["args"] == patched.body["args"]
        assert await end_of(job) == digest_of(after)
        # A rerun has them too, and so has a new job with the same request.
        assert (await ask(session, "POST", f"{job}/rerun")).status == 200
        ended = await until(session, job.rpartition("/")[2], "finished", "failed", seconds=30)
        assert (ended["run"], ended["output"]) == (2, digest_of(after))
        fresh = await ask(
            session, "POST", f"{job}/rerun", json={"as_new": True}, headers={"Prefer": "wait=20"}
        )
        assert fresh.status == 201
        assert (fresh.body["args"], fresh.body["output"]) == (patched.body["args"], digest_of(after))
        # What stands for nothing is refused, each place named.
        refused = await ask(session, "POST", "/api/jobs", json={"type": "careless", "args": SHOWN})
        assert pointers(refused) == [
            "#/args/headers/Authorization", "#/args/login/password", "#/args/logins/0/password", "#/args/password",
            "#/args/tokens/x", "#/args/vault", "#/args/words/0",
        ]  # fmt: skip
        second = await make(args={"note": "none"})
        assert pointers(await ask(session, "PATCH", second, json={"args": {"tokens": {"x": "***"}}})) == [
            "#/args/tokens/x"
        ]
        whole = {"type": "careless", "run_at": FAR, "args": {"login": {"password": "***"}}}
        assert pointers(await ask(session, "PUT", second, json=whole)) == ["#/args/login/password"]
        assert (await ask(session, "PUT", second, json={"type": "careless", "run_at": FAR})).body[
            "args"
        ] == {}
        # Nobody sees them, whatever their role.
        viewer = await key_for(session, "vera", "viewer")
        assert (await ask(session, "GET", job, headers=viewer)).body["args"] == patched.body["args"]


async def test_a_key_can_be_rotated_and_a_lost_one_is_told(settings: Settings) -> None:
    old, new = settings.secret_keys[0], "a-new-secret-key-for-the-tests-of-32-bytes"
    ids = {}
    body = {"type": "careless", "run_at": FAR, "idempotency_key": "one"}
    async with system(settings) as (_, _, session):
        for name in ("rotated", "lost"):
            made = await ask(
                session, "POST", "/api/jobs", json={**body, "args": secret_args(), "idempotency_key": name}
            )
            ids[name] = made.body["id"]
    async with system(replace(settings, secret_keys=(new, old))) as (_, _, session):
        again = await ask(
            session, "POST", "/api/jobs", json={**body, "args": secret_args(), "idempotency_key": "rotated"}
        )
        assert (again.status, again.body["id"]) == (200, ids["rotated"])
        patched = await ask(
            session, "PATCH", f"/api/jobs/{ids['rotated']}", json={"args": {"note": "x"}, "run_at": None}
        )
        assert patched.status == 200
        ended = await until(session, ids["rotated"], "finished", "failed", seconds=30)
        assert ended["output"] == digest_of(secret_args())
    async with system(replace(settings, secret_keys=(new,))) as (_, _, session):
        # Sealed anew under the new key by the change above.
        assert (await ask(session, "POST", f"/api/jobs/{ids['rotated']}/rerun")).status == 200
        ended = await until(session, ids["rotated"], "finished", "failed", seconds=30)
        assert ended["output"] == digest_of(secret_args())
        lost = f"/api/jobs/{ids['lost']}"
        assert "#/args/password" in pointers(await ask(session, "PATCH", lost, json={"args": {"note": "x"}}))
        assert (await ask(session, "PATCH", lost, json={"run_at": None})).status == 200
        ended = await until(session, ids["lost"], "finished", "failed", seconds=30)
        assert (ended["error"]["code"], ended["error"]["retryable"]) == ("secrets_lost", False)
        answer = await ask(session, "POST", f"{lost}/rerun", json={"as_new": True})
        assert (answer.status, answer.body["code"]) == (409, "wrong_state")
