"""Programs of Debian's packages, without installing them: unpacked beside the tests, from the machine's own sources."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

CACHE = Path(__file__).parents[2] / ".lavori" / "debian"
# Each with the libraries that a small image of Debian does not have.
PACKAGES = {
    "nginx": ("nginx", "libpcre2-8-0"),
    "libfaketime": ("libfaketime",),
    "wrk": ("wrk", "libluajit-5.1-2"),
}
# Of a later release than the machine's may be, hence with all libraries down to that of C.
NEWER = {
    "pgbouncer": (
        "trixie",
        (
            "pgbouncer",
            "libaudit1",
            "libc6",
            "libcap-ng0",
            "libcap2",
            "libcares2",
            "libevent-2.1-7t64",
            "libpam0g",
            "libssl3t64",
            "libsystemd0",
            "libzstd1",
            "zlib1g",
        ),
    )
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
    home = _unpacked(name, PACKAGES[name])
    libraries = sorted({str(path.parent) for path in (home / "usr" / "lib").rglob("*.so*")})
    (path,) = home.glob(f"usr/*bin/{name}")
    return Program(path, {**os.environ, "LD_LIBRARY_PATH": ":".join(libraries)})


def newer_program(name: str) -> list[str]:
    """The command of a program of a later Debian, with that release's loader; skips the test where it can't be had."""
    release, packages = NEWER[name]
    home = _unpacked(name, packages, release)
    (loader,) = (home / "usr" / "lib").glob("*/ld-linux-*.so.*")
    (path,) = home.glob(f"usr/*bin/{name}")
    return [str(loader), "--library-path", str(loader.parent), str(path)]


def debian_library(name: str, file: str) -> Path:
    """A shared library of a package; skips the test where it is not to be had."""
    (found,) = (_unpacked(name, PACKAGES[name]) / "usr" / "lib").rglob(file)
    return found


def _unpacked(name: str, packages: Sequence[str], release: str | None = None) -> Path:
    """The folder into which the packages of `name` are unpacked."""
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        pytest.skip(f"{name} is not installed, and there is no apt-get to fetch it with")
    home = CACHE / name
    if not (home / "whole").exists():
        home.mkdir(parents=True, exist_ok=True)
        options = _of_release(release, home) if release else []
        fetched = _apt_get(*options, "download", *packages, cwd=home)
        if fetched.returncode:
            pytest.skip(f"{name} is not installed, and apt-get does not get it: {fetched.stderr}")
        for fetched_file in home.glob("*.deb"):
            subprocess.run(["dpkg", "-x", fetched_file, home], check=True, capture_output=True)
        (home / "whole").touch()
    return home


def _of_release(release: str, home: Path) -> list[str]:
    """The options with which apt-get knows this release alone, from the machine's own mirror."""
    apt = home / "apt"
    for folder in ("lists/partial", "cache/archives/partial"):
        (apt / folder).mkdir(parents=True, exist_ok=True)
    wanted = ["--format", "$(REPO_URI)", "Created-By: Packages", "Label: Debian"]
    mirrors = _apt_get("indextargets", *wanted, cwd=home).stdout.split()
    if not mirrors:
        pytest.skip("apt-get knows no mirror of Debian")
    (apt / "sources.list").write_text(f"deb {mirrors[0]} {release} main\n")
    options = {
        "Dir::Etc::sourcelist": apt / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::lists": apt / "lists",
        "Dir::Cache": apt / "cache",
        "Debug::NoLocking": "1",
    }
    said = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    _apt_get(*said, "update", cwd=home)
    return said


def _apt_get(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["apt-get", *words], cwd=cwd, capture_output=True, text=True, timeout=120, check=False
    )
