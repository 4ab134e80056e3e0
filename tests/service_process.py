"""A process of the service, to be killed, told to stop and started again."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from service.settings import Settings

ROOT = Path(__file__).parents[1]


class ServiceProcess:
    """`python -m service <command>`, with the job types of engine_jobs.py; `module` stands in for `service`."""

    def __init__(self, command: str, settings: Settings, environ: Mapping[str, str], module: str) -> None:
        assert settings.database_url is not None
        assert settings.redis_url is not None
        ours = {
            "DATABASE_URL": settings.database_url,
            "REDIS_URL": settings.redis_url,
            "LAVORI_DATA": str(settings.data),
            "LAVORI_SECRET_KEYS": ",".join(settings.secret_keys),
            "LAVORI_LOG_LEVEL": "warning",
            "JOB_TYPES": "engine_jobs",
            "PYTHONPATH": str(ROOT / "tests"),
        }
        self.module = module
        self._command = command
        self._environ = {**os.environ, **ours, **environ}
        self._log = settings.data / f"{command}-{time.monotonic_ns()}.log"
        self._process = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", self.module, self._command],
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
        if not self.ended():
            self.kill()

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

    def kill(self) -> None:
        """Kill -9."""
        self._process.kill()
        self._process.wait()

    def start_again_if_ended(self) -> bool:
        """As a supervisor does; answers whether it had ended."""
        if not self.ended():
            return False
        self._process = self._start()
        return True

    def set(self, **environ: str) -> None:
        """Change the environment of those that are started from now on."""
        self._environ |= environ
