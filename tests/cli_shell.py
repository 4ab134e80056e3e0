"""`lavori`, run as a process in a folder of its own."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KEY = "an-admin-key-for-the-tests"
LAVORI = (str(Path(sys.executable).with_name("lavori")),)
SECONDS = 60


@dataclass(frozen=True)
class Ran:
    """What a command came to."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Shell:
    """Runs `lavori` in a folder of its own, with an environment that says where the server is."""

    folder: Path
    environ: Mapping[str, str]

    def __call__(
        self,
        *words: str,
        code: int = 0,
        stdin: str | bytes | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Ran:
        """Run a command, which must leave with `code`."""
        ran = subprocess.run(
            [*LAVORI, *words],
            cwd=self.folder,
            env={**self.environ, **(environ or {})},
            input=(stdin.encode() if isinstance(stdin, str) else stdin) or b"",
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
        told = Ran(ran.returncode, ran.stdout.decode(errors="replace"), ran.stderr.decode(errors="replace"))
        assert told.code == code, (words, told)
        assert "Traceback" not in told.err, told.err
        return told

    def json(self, *words: str, code: int = 0) -> Any:
        """Run a command with `-o json`, and read what it writes."""
        return json.loads(self(*words, "-o", "json", code=code).out)

    def popen(self, *words: str, **how: Any) -> "subprocess.Popen[bytes]":
        """Start a command."""
        how = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how}
        return subprocess.Popen([*LAVORI, *words], cwd=self.folder, env=dict(self.environ), **how)


@contextlib.contextmanager
def ended(process: "subprocess.Popen[bytes]") -> Iterator["subprocess.Popen[bytes]"]:
    """The process, which is gone after the block."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
