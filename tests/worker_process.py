"""Workers and a Redis as processes of their own, to be killed, stopped and started again."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import redis

from service.dev.valkey import valkey_child
from service.settings import Settings

ROOT = Path(__file__).parents[1]


class WorkerProcess:
    """`python -m service worker`, with the job types of engine_jobs.py; `module` stands in for `service`."""

    def __init__(
        self, settings: Settings, environ: Mapping[str, str] | None = None, module: str = "service"
    ) -> None:
        self.module = module
        assert settings.database_url is not None
        assert settings.redis_url is not None
        ours = {
            "DATABASE_URL": settings.database_url,
            "REDIS_URL": settings.redis_url,
            "LAVORI_DATA": str(settings.data),
            "LAVORI_SECRET_KEYS": ",".join(settings.secret_keys),
            "LAVORI_LEASE_SECONDS": str(settings.lease_seconds),
            "LAVORI_SWEEP_SECONDS": str(settings.sweep_seconds),
            "LAVORI_CANCEL_GRACE_SECONDS": str(settings.cancel_grace_seconds),
            "LAVORI_DRAIN_SECONDS": str(settings.drain_seconds),
            "LAVORI_WORKER_CONCURRENCY": str(settings.worker_concurrency),
            "LAVORI_LOG_LEVEL": "warning",
            "JOB_TYPES": "engine_jobs",
            "PYTHONPATH": str(ROOT / "tests"),
        }
        self._environ = {**os.environ, **ours, **(environ or {})}
        self._log = settings.data / f"worker-{time.monotonic_ns()}.log"
        self._process = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", self.module, "worker"],
                cwd=ROOT,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def said(self) -> str:
        return self._log.read_text()

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def ended(self) -> bool:
        return self._process.poll() is not None

    def exit_code(self, seconds: float) -> int:
        """Wait for its end."""
        return self._process.wait(seconds)

    def kill(self) -> None:
        """Kill -9."""
        self._process.kill()
        self._process.wait()

    def kill_and_start_again(self) -> None:
        """Kill -9, and start another one as a supervisor does."""
        self.kill()
        self._process = self._start()

    def start_again_if_ended(self) -> bool:
        """As a supervisor does; answers whether it had ended."""
        if self._process.poll() is None:
            return False
        self._process = self._start()
        return True

    def set(self, **environ: str) -> None:
        """Change the environment of those that are started from now on."""
        self._environ |= environ


class OwnRedis:
    """A Valkey of one test alone, always at the same address."""

    def __init__(self, argv: tuple[str, ...], url: str) -> None:
        self._argv = argv
        self.url = url
        self.start()

    @classmethod
    async def under(cls, folder: Path) -> Self:
        """Make one whose files lie in `folder`."""
        child, url = await valkey_child(folder, "a-password-for-the-tests", durable=False)
        return cls(child.argv, url)

    def start(self) -> None:
        """Start it, and return when it answers."""
        self._process = subprocess.Popen(
            self._argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 20
        with redis.Redis.from_url(self.url) as client:
            while True:
                try:
                    client.ping()
                except redis.RedisError:
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
                else:
                    return

    def stop(self) -> None:
        """End it, with all that it knew."""
        self._process.kill()
        self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)
