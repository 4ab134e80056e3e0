"""Programs of Debian's packages, without installing them: unpacked beside the tests, from the machine's own sources."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

CACHE = Path(__file__).parents[2] / ".lavori" / "debian"
# Each with the libraries that a small image of Debian does not have.
PACKAGES = {
    "pgbouncer": ("pgbouncer", "libc-ares2", "libevent-2.1-7"),
    "nginx": ("nginx", "libpcre2-8-0"),
    "libfaketime": ("libfaketime",),
    "haproxy": ("haproxy", "liblua5.3-0", "libopentracing-c-wrapper0", "libopentracing1"),
}


@dataclass(frozen=True, slots=True)
class Program:
    """What to run, and in which environment."""

    path: Path
    environ: dict[str, str]


def debian_program(name: str) -> Program:
    """The program of the machine, or else of its package; skips the test where neither is to be had."""
    if installed := shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin"):
        return Program(Path(installed), dict(os.environ))
    home = _unpacked(name)
    libraries = sorted({str(path.parent) for path in (home / "usr" / "lib").rglob("*.so*")})
    return Program(home / "usr" / "sbin" / name, {**os.environ, "LD_LIBRARY_PATH": ":".join(libraries)})


def debian_library(name: str, file: str) -> Path:
    """A shared library of a package; skips the test where it is not to be had."""
    (found,) = (_unpacked(name) / "usr" / "lib").rglob(file)
    return found


def _unpacked(name: str) -> Path:
    """The folder into which the packages of `name` are unpacked."""
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        pytest.skip(f"{name} is not installed, and there is no apt-get to fetch it with")
    home = CACHE / name
    if not (home / "whole").exists():
        home.mkdir(parents=True, exist_ok=True)
        for package in PACKAGES[name]:
            fetched = subprocess.run(
                ["apt-get", "download", package],
                cwd=home,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            if fetched.returncode:
                pytest.skip(f"{name} is not installed, and apt-get does not get {package}")
        for fetched_file in home.glob("*.deb"):
            subprocess.run(["dpkg", "-x", fetched_file, home], check=True, capture_output=True)
        (home / "whole").touch()
    return home
