"""What http.py and download.py measure Lavori against: bare aiohttp, and the way that tutorials show.

The tutorial's way does per request what everybody does first: marshmallow, one INSERT, `enqueue_job`; no tokens,
no tenants, no idempotency.
"""

import os
import sys
from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import orjson
import uvloop
from aiohttp import web
from arq import create_pool
from arq.connections import ArqRedis, RedisSettings
from marshmallow import Schema, fields, validate

BODY = orjson.dumps({"id": str(UUID(int=7)), "args": "x" * 1_100})
TABLE = """
CREATE TABLE IF NOT EXISTS plain_jobs (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), type text NOT NULL, status text NOT NULL DEFAULT 'queued',
    priority text NOT NULL, description text, labels jsonb NOT NULL, args jsonb NOT NULL, max_attempts integer NOT NULL,
    correlation_id text, created_at timestamptz NOT NULL DEFAULT now()
)
"""
INSERT = """
INSERT INTO plain_jobs (type, priority, description, labels, args, max_attempts, correlation_id)
VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id, created_at
"""
POOL = web.AppKey("pool", asyncpg.Pool)
REDIS = web.AppKey("redis", ArqRedis)


class Column(Schema):
    """A part of the args."""

    name = fields.String(required=True, validate=validate.Length(1, 64))
    kind = fields.String(required=True, validate=validate.OneOf(["int", "float", "str", "date"]))


class Args(Schema):
    """The args that the measured body has."""

    source = fields.String(required=True, validate=validate.Length(1, 255))
    columns = fields.List(fields.Nested(Column), required=True, validate=validate.Length(1, 64))


class JobIn(Schema):
    """The measured body."""

    type = fields.String(required=True, validate=validate.OneOf(["echo", "report"]))
    priority = fields.String(load_default="default", validate=validate.OneOf(["low", "default", "high"]))
    description = fields.String(load_default=None, allow_none=True, validate=validate.Length(max=4_000))
    labels = fields.Dict(keys=fields.String(), values=fields.String(), load_default=dict)
    args = fields.Nested(Args, required=True)
    max_attempts = fields.Integer(load_default=3, validate=validate.Range(1, 20))
    correlation_id = fields.String(load_default=None, allow_none=True, validate=validate.Length(max=128))


_JOB_IN = JobIn()


async def fixed(_: web.Request) -> web.Response:
    """The same body each time."""
    return web.Response(body=BODY, content_type="application/json")


async def parse_only(request: web.Request) -> web.Response:
    """Read and parse, no more."""
    orjson.loads(await request.read())
    return web.Response(body=BODY, status=201, content_type="application/json")


async def tutorial(request: web.Request) -> web.Response:
    """Validate, insert, enqueue."""
    job = _JOB_IN.load(orjson.loads(await request.read()))
    row = await request.app[POOL].fetchrow(
        INSERT,
        job["type"],
        job["priority"],
        job["description"],
        orjson.dumps(job["labels"]).decode(),
        orjson.dumps(job["args"]).decode(),
        job["max_attempts"],
        job["correlation_id"],
    )
    assert row is not None
    await request.app[REDIS].enqueue_job("run", str(row["id"]), _job_id=str(row["id"]))
    body = orjson.dumps({"id": str(row["id"]), "status": "queued", "created_at": row["created_at"]})
    return web.Response(body=body, status=201, content_type="application/json")


async def file(_: web.Request) -> web.FileResponse:
    """The file that PLAIN_FILE names."""
    return web.FileResponse(os.environ["PLAIN_FILE"])


async def parts(app: web.Application) -> AsyncIterator[None]:
    """The servers that DATABASE_URL and REDIS_URL name."""
    pool: asyncpg.Pool = await asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=16, max_size=16)
    await pool.execute(TABLE)
    app[POOL], app[REDIS] = pool, await create_pool(RedisSettings.from_dsn(os.environ["REDIS_URL"]))
    yield
    await app[REDIS].aclose(close_connection_pool=True)
    await pool.close()


def main() -> None:
    """Serve until a signal."""
    app = web.Application()
    app.cleanup_ctx.append(parts)
    app.router.add_get("/fixed", fixed)
    app.router.add_get("/file", file)
    app.router.add_post("/parse", parse_only)
    app.router.add_post("/tutorial", tutorial)
    uvloop.install()
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)


if __name__ == "__main__":
    main()
