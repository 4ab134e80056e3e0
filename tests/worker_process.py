"""Workers and a Redis as processes of their own, to be killed, stopped and started again."""

import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import redis

from service.dev.valkey import valkey_child
from service.settings import Settings
from service_process import ServiceProcess


class WorkerProcess(ServiceProcess):
    """`python -m service worker`."""

    def __init__(
        self, settings: Settings, environ: Mapping[str, str] | None = None, module: str = "service"
    ) -> None:
        ours = {
            "LAVORI_LEASE_SECONDS": str(settings.lease_seconds),
            "LAVORI_SWEEP_SECONDS": str(settings.sweep_seconds),
            "LAVORI_CANCEL_GRACE_SECONDS": str(settings.cancel_grace_seconds),
            "LAVORI_DRAIN_SECONDS": str(settings.drain_seconds),
            "LAVORI_WORKER_CONCURRENCY": str(settings.worker_concurrency),
        }
        super().__init__("worker", settings, ours | {**(environ or {})}, module)

    def exit_code(self, seconds: float) -> int:
        """Wait for its end."""
        return self._process.wait(seconds)

    def kill_and_start_again(self) -> None:
        """Kill -9, and start another one as a supervisor does."""
        self.kill()
        self.start_again_if_ended()


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
