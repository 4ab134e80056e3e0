"""Installs what the peers need, once, into a folder that git does not see: never beside our own packages."""

import asyncio
import shutil
import sys
from pathlib import Path

from benchmarks.figures import ROOT
from benchmarks.system import output_of

HERE = Path(__file__).parent
PYTHON_FOLDER, NODE_FOLDER = HERE / "python", HERE / "node"
CACHE = ROOT / "benchmarks" / ".peers"
# The lock is whole, so nothing is left to resolve: pip before 23.3 would lose itself in extras.
PIP = (
    "-m",
    "pip",
    "install",
    "--quiet",
    "--disable-pip-version-check",
    "--no-deps",
    "--require-hashes",
    "-r",
)


class Absent(Exception):
    """This machine does not have what a peer needs; the text says why."""


async def python() -> str:
    """A Python with the packages of requirements.txt. Raises Absent."""
    wanted, venv = PYTHON_FOLDER / "requirements.txt", CACHE / "python"
    kept = venv / "requirements.txt"
    if not kept.exists() or kept.read_bytes() != wanted.read_bytes():
        shutil.rmtree(venv, ignore_errors=True)
        await _run(sys.executable, "-m", "venv", str(venv))
        await _run(str(venv / "bin" / "python"), *PIP, str(wanted))
        shutil.copy(wanted, kept)
    return str(venv / "bin" / "python")


async def node() -> str:
    """A Node whose packages are in CACHE/node. Raises Absent."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is None or npm is None:
        raise Absent("node or npm is not installed (on Debian: apt-get install nodejs npm)")
    folder, lock = CACHE / "node", NODE_FOLDER / "package-lock.json"
    kept = folder / "installed.json"
    if not kept.exists() or kept.read_bytes() != lock.read_bytes():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(NODE_FOLDER / name, folder)
        await _run(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)
        shutil.copy(lock, kept)
    return program


async def _run(*command: str, cwd: Path | None = None) -> None:
    written, status = await output_of(*command, cwd=cwd, errors=asyncio.subprocess.STDOUT)
    if status:
        sys.stderr.write(written.decode(errors="replace"))
        raise Absent(f"its packages could not be installed ({Path(command[0]).name} ended with {status})")
