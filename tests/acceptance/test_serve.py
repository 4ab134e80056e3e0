"""One API process as containers run it: its probes, and how it leaves."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from dev_run import ROOT, free_port
from dev_run import until as until_true
from service.db.migrate import migrate


class Api:
    """A running `lavori serve`."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process, self.port = process, port

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)

    def probe(self, path: str) -> int | None:
        """The status of a request of its own connection; None when nobody listens."""
        try:
            with contextlib.closing(self.connect()) as connection:
                connection.request("GET", path, headers={"Connection": "close"})
                return connection.getresponse().status
        except OSError:
            return None


@pytest.fixture
def environ(database_url: str, redis_url: str, tmp_path: Path) -> dict[str, str]:
    return os.environ | {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "LAVORI_DATA": str(tmp_path),
        "LAVORI_SECRET_KEYS": "a-secret-key-for-the-tests-of-32-bytes",
    }


@contextlib.contextmanager
def serving(environ: dict[str, str]) -> Iterator[Api]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "service", "serve"],
        cwd=ROOT,
        env=environ | {"PORT": str(port)},
        stderr=subprocess.PIPE,
    )
    api = Api(process, port)
    try:
        until_true(lambda: api.probe("/livez") == 200, "an answer")
        yield api
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def ask(connection: http.client.HTTPConnection, path: str) -> tuple[int, str | None]:
    connection.request("GET", path)
    response = connection.getresponse()
    response.read()
    return response.status, response.headers.get("Connection")


def test_told_to_stop_it_is_not_ready_at_once_and_sends_those_connected_elsewhere(
    environ: dict[str, str],
) -> None:
    with (
        serving(environ) as api,
        contextlib.closing(api.connect()) as kept,
        contextlib.closing(api.connect()) as idle,
    ):
        assert ask(kept, "/readyz") == (200, None)
        assert ask(idle, "/readyz") == (200, None)
        api.process.send_signal(signal.SIGTERM)
        until_true(lambda: api.probe("/readyz") == 503, "a readiness of 503", 2)
        assert api.probe("/livez") == 200
        assert ask(kept, "/api/jobs") == (401, "close")
        began = time.monotonic()
        assert api.process.wait(10) == 0
        assert time.monotonic() - began < 5, "an idle connection does not keep it"
        assert api.probe("/livez") is None


def test_with_nobody_connected_it_stops_at_once(environ: dict[str, str]) -> None:
    with serving(environ) as api:
        began = time.monotonic()
        api.process.send_signal(signal.SIGTERM)
        assert api.process.wait(10) == 0
        assert time.monotonic() - began < 1.5


def test_its_log_has_a_line_a_request_without_the_tokens_of_links(environ: dict[str, str]) -> None:
    with serving(environ) as api:
        for path in ("/d/0199f3c2-7b1e-7cc4-9d3e-5a1b2c3d4e5f/a-secret-token", "/api/jobs"):
            api.probe(path)
        api.process.send_signal(signal.SIGTERM)
        _, said = api.process.communicate(timeout=10)
    lines = [json.loads(line) for line in said.splitlines()]
    assert [(line["action"], line["route"], line["status"]) for line in lines[-2:]] == [
        ("http.request", "/d/{link}/{token}", 404),
        ("http.request", "/api/jobs", 401),
    ]
    assert all(line["request_id"] for line in lines)
    assert b"a-secret-token" not in said


async def test_it_is_ready_only_once_the_database_is_migrated(
    environ: dict[str, str], empty_database_url: str
) -> None:
    with serving(environ | {"DATABASE_URL": empty_database_url}) as api:
        assert api.probe("/readyz") == 503
        await migrate(empty_database_url)
        assert api.probe("/readyz") == 200
        connection = await asyncpg.connect(empty_database_url)
        await connection.execute("DROP TABLE schema_migrations")
        await connection.close()
        assert api.probe("/readyz") == 200, "once ready it does not ask again"


def test_an_outage_shows_in_the_verbose_answer_alone(environ: dict[str, str]) -> None:
    with serving(environ | {"REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}) as api:
        assert api.probe("/readyz") == 200
        with contextlib.closing(api.connect()) as connection:
            connection.request("GET", "/readyz?verbose")
            response = connection.getresponse()
            assert response.status == 200
            assert json.loads(response.read())["checks"] == {"postgresql": "ok", "redis": "unavailable"}
