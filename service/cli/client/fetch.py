"""Downloading a file: streamed to disk, going on where it broke off, and compared with its SHA-256."""

import hashlib
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from urllib3.exceptions import HTTPError

from service.cli.client import harmless
from service.cli.client.api import Api
from service.cli.client.ending import Code, Ended
from service.cli.client.progress import OnBytes, bytes_shown
from service.cli.client.retries import Patience

CHUNK = 1 << 18
PARTIAL = 206


def to_stdout(api: Api, path: str, query: Mapping[str, Any] | None = None) -> None:
    """Write a file to stdout, unless that is a terminal."""
    if sys.stdout.isatty():
        raise Ended("A file is not written to a terminal: name one with --to, or pipe it.", Code.USAGE)
    sys.stdout.flush()
    _fetch(api, path, query, sys.stdout.buffer, lambda _: None)
    sys.stdout.buffer.flush()


def to_disk(
    api: Api,
    path: str,
    target: Path,
    *,
    query: Mapping[str, Any] | None = None,
    sha256: str | None = None,
    size: int | None = None,
    force: bool = False,
    quiet: bool = False,
) -> None:
    """Write a file to the disk, under its name once it is whole. Raises Ended.

    Until then it is called `.part`; the next try goes on at its end, if the SHA-256 of the whole is known.
    """
    shown = harmless.one_line(str(target))
    taken = f"{shown} is there already: --force writes over it."
    if target.exists() and not force:
        raise Ended(taken)
    part = target.with_name(f"{target.name}.part")
    try:
        with part.open("ab") as file:
            have = file.tell()
            if not sha256 or (size is not None and have > size):
                file.truncate(have := 0)
            etag = f'"{sha256}"' if sha256 else None
            with bytes_shown(target.name, size, begun=have, quiet=quiet) as on_bytes:
                if have != size or not have:
                    _fetch(api, path, query, file, on_bytes, have, etag)
        if sha256 and _sha256(part) != sha256:
            part.unlink()
            raise Ended(f"{shown} came with other bytes than it was made of: try again.")
        if force:
            part.replace(target)
        else:
            os.link(part, target)  # never over what came there meanwhile
            part.unlink()
    except FileExistsError as error:
        raise Ended(taken) from error
    except OSError as error:
        raise Ended(f"{shown} cannot be written: {error.strerror}.") from error


def _fetch(
    api: Api,
    path: str,
    query: Mapping[str, Any] | None,
    file: IO[bytes],
    on_bytes: OnBytes,
    have: int = 0,
    etag: str | None = None,
) -> None:
    """Copy an answer into a file that `have` its first bytes; a connection that breaks is made anew, at that byte."""
    patience = Patience()
    while True:
        headers = {"Range": f"bytes={have}-", "If-Range": etag} if have and etag else {}
        response = api.send("GET", path, query=query, headers={**headers, "Accept-Encoding": "identity"})
        if have and response.status != PARTIAL:
            if not file.seekable():
                raise Ended("The file has changed while it was fetched: try again.")
            on_bytes(-have)
            file.truncate(have := 0)
        etag = response.headers.get("ETag")
        try:
            while chunk := response.read(CHUNK):
                file.write(chunk)
                have += len(chunk)
                on_bytes(len(chunk))
                patience = Patience()
        except HTTPError as error:
            pause = patience.pause(None) if etag else None
            if pause is None:
                raise Ended(f"The download broke off after {have} bytes.", Code.UNAVAILABLE) from error
            time.sleep(pause)
        else:
            return


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
