"""An API of files alone, on a real server and real storage, with callers and jobs to try it on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import orjson
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient
from uuid_utils.compat import uuid7

from object_store import BUCKET, ObjectStore, object_store
from service.access.buckets import LocalBuckets
from service.access.identities import identities
from service.access.middleware import authenticate
from service.access.store import insert_key, insert_tenant
from service.files.blob import Blob
from service.files.conversions import Conversions
from service.files.keys import CONVERSIONS, GUESSES, SIGNER, STORAGE
from service.files.links import LinkSigner
from service.files.room import Room
from service.files.routes import routes
from service.files.storage import Storage, open_storage
from service.files.store import insert_file
from service.files.upload import MultipartJob, kept_unless_refused, receive_multipart
from service.keys import DRAINING, POOL, SETTINGS
from service.settings import Settings
from service.telemetry.metrics import METRICS, ApiMetrics
from service.web.middleware import edge, sign
from service.web.payload import json_response, parse_json

Client: TypeAlias = TestClient[web.Request, web.Application]
StartClient: TypeAlias = Callable[[web.Application], Awaitable[Client]]

MAX_JSON, MAX_ATTACHMENT = 10_000, 3_000_000
FORMS = web.AppKey("forms", list[MultipartJob])
READ = web.AppKey("read", list[int])
"""How many bytes had come from the client when its form was taken or refused."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    content: bytes
    headers: Any

    @property
    def body(self) -> Any:
        return orjson.loads(self.content)


@dataclass(frozen=True, slots=True)
class Caller:
    """A client that sends one token, or none, and headers."""

    client: Client
    token: str | None = None
    tenant_id: int = 1
    name: str = ""

    async def ask(
        self, method: str, path: str, body: object = None, *, data: Any = None, **headers: str
    ) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        # aiohttp's client asks for a stream where bytes are many.
        data = BytesIO(data) if isinstance(data, bytes) else data
        if self.token is not None:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        async with self.client.request(
            method, path, json=body, data=data, headers=sent, skip_auto_headers=["Content-Type"]
        ) as response:
            return Answer(response.status, await response.read(), response.headers)

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.ask("GET", path, **headers)


@dataclass(frozen=True, slots=True)
class World:
    """The running API with its database and storage."""

    client: Client
    pool: asyncpg.Pool
    storage: Storage
    folder: Path

    @property
    def nobody(self) -> Caller:
        return Caller(self.client)

    async def caller(self, name: str, *roles: str, tenant_id: int = 1) -> Caller:
        async with self.pool.acquire() as connection:
            _, secret = await insert_key(
                connection,
                tenant_id,
                name=name,
                principal=name,
                roles=list(roles or ("user",)),
                grants=[],
                expires_at=None,
                created_by="tests",
            )
        return Caller(self.client, secret, tenant_id, name)

    async def stranger(self) -> Caller:
        """An admin of another tenant, who is also called anna."""
        async with self.pool.acquire() as connection, connection.transaction():
            await insert_tenant(connection, code="other", name="Other", created_by="tests")
        tenant_id: int = await self.pool.fetchval("SELECT id FROM tenants WHERE code = 'other'")
        return await self.caller("anna", "admin", tenant_id=tenant_id)

    async def store(self, content: bytes) -> Blob:
        async with self.storage.create(None) as writer:
            await writer.write(content)
        return writer.blob

    async def file(
        self, content: bytes, name: str = "dovuti.csv", by: str = "anna", mime_type: str = "text/csv"
    ) -> UUID:
        blob = await self.store(content)
        return await insert_file(
            self.pool, tenant_id=1, name=name, mime_type=mime_type, blob=blob, created_by=by
        )

    async def job(
        self, by: str = "anna", *, status: str = "finished", attachment: UUID | None = None
    ) -> UUID:
        job_id, now = uuid7(), datetime.now(UTC)
        await self.pool.execute(
            """
            INSERT INTO jobs (id, tenant_id, type, status, due_at, created_by, created_at, updated_at, terminated_at,
                              percent_completed, error, definition)
            VALUES ($1, 1, 'echo', $2, $3, $4, $3, $3, $5, $6, $7, 'nightly')
            """,
            job_id,
            status,
            now,
            by,
            None if status == "pending" else now,
            100 if status == "finished" else 0,
            "{}" if status == "failed" else None,
        )
        await self.pool.execute(
            "INSERT INTO job_requests (job_id, tenant_id, args, attachment_file_id, modified_by)"
            " VALUES ($1, 1, '{}', $2, $3)",
            job_id,
            attachment,
            by,
        )
        if attachment:
            await self.pool.execute("UPDATE files SET expires_at = NULL WHERE id = $1", attachment)
        return job_id

    async def output(
        self, job_id: UUID, content: bytes, name: str = "rejected.csv", *, position: int = 0, **facts: str
    ) -> UUID:
        output_id, file_id = uuid7(), await self.file(content, name, **facts)
        await self.pool.execute(
            "INSERT INTO outputs (id, job_id, tenant_id, run, position, file_id, available_formats)"
            " SELECT $1, id, 1, run, $3, $4, '{csv}' FROM jobs WHERE id = $2",
            output_id,
            job_id,
            position,
            file_id,
        )
        await self.pool.execute("UPDATE files SET expires_at = NULL WHERE id = $1", file_id)
        return output_id

    async def publish_link(self, job_id: UUID, scope: str = "public") -> str:
        """The path of a job's own link, as the settlement makes it."""
        link_id = uuid7()
        await self.pool.execute(
            "INSERT INTO links (id, tenant_id, job_id, scope, created_by) VALUES ($1, 1, $2, $3, 'anna')",
            link_id,
            job_id,
            scope,
        )
        return f"/d/{link_id}/{self.client.app[SIGNER].token(link_id)}"

    async def blobs(self) -> set[str]:
        """The keys of everything in storage, unfinished parts too."""
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        return {path.name.removesuffix(".part") for path in files}


async def receive(request: web.Request) -> web.Response:
    """Take a form as the creation of a job does, refusing what says that it is to be refused."""
    settings, storage = request.app[SETTINGS], request.app[STORAGE]
    try:
        form = await receive_multipart(
            request,
            storage,
            max_json_body=settings.max_json_body,
            max_attachment=settings.max_attachment,
            room=Room(),
        )
    finally:
        request.app[READ].append(request.content.total_bytes)
    request.app[FORMS].append(form)
    async with kept_unless_refused(storage, form.file):
        job = parse_json(form.job)
    return json_response({"job": job})


def application(pool: asyncpg.Pool, storage: Storage, **environment: str) -> web.Application:
    app = web.Application(middlewares=[edge, authenticate])
    app.on_response_prepare.append(sign)
    app[DRAINING] = asyncio.Event()
    app[POOL], app[STORAGE], app[SIGNER] = pool, storage, LinkSigner(["s3cret"])
    app[FORMS], app[READ] = [], []
    app[GUESSES] = LocalBuckets()
    app[CONVERSIONS] = Conversions()
    sizes = {"LAVORI_MAX_JSON_BODY": str(MAX_JSON), "LAVORI_MAX_ATTACHMENT": str(MAX_ATTACHMENT)}
    app[SETTINGS] = Settings.from_environ(sizes | environment)
    app[METRICS] = ApiMetrics()
    app.cleanup_ctx.append(identities)
    app.add_routes([*routes, web.post("/form", receive)])
    return app


@asynccontextmanager
async def served(app: web.Application, *, handler_cancellation: bool) -> AsyncIterator[int]:
    """Serve on a port; aiohttp's handlers go on after their client has left, or are cancelled, as one says."""
    runner = web.AppRunner(app, handler_cancellation=handler_cancellation)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@pytest.fixture
async def world(pool: asyncpg.Pool, tmp_path: Path, aiohttp_client: StartClient) -> World:
    storage = open_storage((tmp_path / "files").as_uri())
    return World(await aiohttp_client(application(pool, storage)), pool, storage, tmp_path / "files")


@pytest.fixture
async def anna(world: World) -> Caller:
    """A plain user, who has made the jobs of these tests."""
    return await world.caller("anna")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def objects(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ObjectStore]:
    """An S3 server of this run alone; the first test that asks starts it."""
    async with object_store(tmp_path_factory.mktemp("objects")) as running:
        yield running


@pytest.fixture
def bucket_url(objects: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a prefix with nothing below it; the environment says where and who."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{objects.port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "tests")
    monkeypatch.setenv("AWS_REGION", "eu-south-1")
    return f"s3://{BUCKET}/{uuid7().hex}/files/"
