"""Job types of another package: installed by pip, and there without a change of ours; a broken one says so at start."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from api_process import ApiProcess
from asking import ask
from dev_run import free_port
from installing import pretend_installed
from running import until
from service.settings import Settings
from service_process import ROOT
from worker_process import WorkerProcess

SAMPLE = ROOT / "tests" / "sample_package"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which pip has installed the sample package."""
    source, target = tmp_path_factory.mktemp("source") / "sample", tmp_path_factory.mktemp("target")
    shutil.copytree(SAMPLE, source)
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index")
    subprocess.run(
        [*pip, "--no-deps", "--no-build-isolation", "--target", str(target), str(source)], check=True
    )
    return target


def environ(installed: Path) -> dict[str, str]:
    return {"PYTHONPATH": str(installed), "JOB_TYPES": "sample_jobs.more"}


async def test_types_of_an_installed_package_show_and_run(settings: Settings, installed: Path) -> None:
    with (
        ApiProcess(settings, environ=environ(installed)) as api,
        WorkerProcess(settings, environ(installed)),
    ):
        await api.until_ready()
        async with api.session() as session:
            for code, args, output in (
                ("greet", {"people": [{"name": "Anna"}, {"name": "Ugo"}]}, "Hello Anna Ugo"),
                ("shout", {"text": "psst"}, "PSST"),
            ):
                made = await ask(session, "POST", "/api/jobs", json={"type": code, "args": args})
                assert made.status == 201, made
                ended = await until(session, made.body["id"], "finished", "failed", seconds=30)
                assert ended["output"] == output
            listed = await ask(session, "GET", "/api/job-types")
            workers = {one["code"]: one["workers"] for one in listed.body["job_types"]}
            assert workers.keys() >= {"echo", "greet", "import_dovuti", "shout", "sleep"}
            assert workers["greet"] == workers["shout"] == workers["echo"] == 1
            greet = (await ask(session, "GET", "/api/job-types/greet")).body
            assert greet["category"] == "Samples"
            person = greet["params"]["$defs"]["Person"]["properties"]
            assert person["name"]["title"] == "First name"
            assert person["mood"]["default"] == "good"
            wrong = await ask(session, "POST", "/api/jobs", json={"type": "greet", "args": {"people": [{}]}})
            assert wrong.body["errors"][0]["pointer"] == "#/args/people/0/name"


def said(command: str, settings: Settings, environ: Mapping[str, str]) -> str:
    """What a command that can't start says; it leaves with 2."""
    ours = {
        "DATABASE_URL": settings.database_url or "",
        "REDIS_URL": settings.redis_url or "",
        "LAVORI_DATA": str(settings.data),
        "LAVORI_SECRET_KEYS": ",".join(settings.secret_keys),
        "PORT": str(free_port()),
    }
    ended = subprocess.run(
        [sys.executable, "-m", "service", command],
        cwd=ROOT, env={**os.environ, **ours, **environ}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (2, ""), ended.stderr
    return ended.stderr.strip()


async def test_neither_the_api_nor_a_worker_starts_with_a_broken_package(
    settings: Settings, tmp_path: Path
) -> None:
    pretend_installed(tmp_path, "import no_such_module")
    environ = {"PYTHONPATH": str(tmp_path)}
    for command in ("check-config", "serve", "worker"):
        sentence = await asyncio.to_thread(said, command, settings, environ)
        assert sentence.startswith(
            "The job types cannot be loaded: the package acme-jobs (entry point one = acme_jobs"
        )
        assert "\n" not in sentence
