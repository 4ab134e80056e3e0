"""Profiles: servers and keys that are kept between commands, in a file that only its owner may read."""

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from service.cli.client.ending import Code, Ended

DEFAULT_URL = "http://127.0.0.1:8080"
DEFAULT_NAME = "default"
OTHERS = 0o077


@dataclass(frozen=True, slots=True)
class Profile:
    """A server, and a key for it."""

    url: str
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Profiles:
    """All profiles by name, and the one that is meant when none is named."""

    current: str
    by_name: Mapping[str, Profile]


def path_of(environ: Mapping[str, str]) -> Path:
    """Where they are kept, by the XDG base directories."""
    base = environ.get("XDG_CONFIG_HOME", "")
    folder = Path(base) if base.startswith("/") else Path.home() / ".config"
    return folder / "lavori" / "profiles.json"


def read_profiles(path: Path) -> Profiles:
    """The profiles of a file, or none; says so on stderr when others may read it. Raises Ended if it is broken."""
    try:
        with path.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            kept: Any = json.load(file)
        profiles = {str(name): Profile(**one) for name, one in kept["profiles"].items()}
        current = str(kept["current"])
    except FileNotFoundError:
        return Profiles(DEFAULT_NAME, {})
    except OSError as error:
        raise Ended(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Ended(f"{path} is broken: remove it and log in again.") from error
    if mode & OTHERS and os.name == "posix":
        print(f"Others may read {path}: chmod 600 it, and rotate its keys.", file=sys.stderr)
    return Profiles(current, profiles)


def write_profiles(path: Path, profiles: Profiles) -> None:
    """Keep them: whole or not at all, and nobody else may read them at any moment."""
    kept = {
        "current": profiles.current,
        "profiles": {name: asdict(one) for name, one in profiles.by_name.items()},
    }
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".profiles")  # with mode 0600
        with open(handle, "w", encoding="utf-8") as file:  # noqa: PTH123 - it is open already
            json.dump(kept, file, indent=2)
        Path(temporary).replace(path)
    except OSError as error:
        raise Ended(f"{path} cannot be written: {error.strerror}.") from error


def chosen(profiles: Profiles, environ: Mapping[str, str], name: str | None, url: str | None) -> Profile:
    """The server to ask and the key to show it.

    A key is shown to the server of its profile alone: with another address only LAVORI_TOKEN counts.
    """
    name = name or environ.get("LAVORI_PROFILE") or None
    if name is not None and name not in profiles.by_name:
        raise Ended(f"There is no profile {name!r}: see `lavori profiles list`.", Code.USAGE)
    kept = profiles.by_name.get(name or profiles.current)
    address = url or environ.get("LAVORI_URL") or (kept.url if kept else DEFAULT_URL)
    address = checked_url(address)
    own = kept.token if kept and _origin(kept.url) == _origin(address) else None
    return Profile(address, environ.get("LAVORI_TOKEN") or own)


def checked_url(url: str) -> str:
    """The address without a slash behind. Raises Ended for what is none, or holds a password."""
    url = url.strip().rstrip("/")
    if not _is_address(url):
        raise Ended(
            "The server's address must be http://host or https://host, without a key in it.", Code.USAGE
        )
    return url


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_host = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return has_host and url.isprintable() and not ("@" in parts.netloc or parts.query or parts.fragment)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
