"""Makes a file of one format of one of another. Runs in a process of its own (service/sandbox)."""

import errno
import os
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from service.sandbox.child import Refusal

CHUNK = 1 << 20
_WORDS = {
    errno.ENOSPC: ("storage_full", "There is no room left for the result."),
    errno.EDQUOT: ("storage_full", "There is no room left for the result."),
    errno.EFBIG: ("too_large", "The result is larger than it may be."),
}


def convert(source: str, own: str, wanted: str, folder: str) -> Iterator[bytes]:
    """Read `source`, a file in format `own`, and give the bytes of the same table in format `wanted`.

    `folder` is for files on the way, and removed by the caller. Raises Refusal: `no_table` for a source that is none,
    `too_large`, `storage_full`.
    """
    # Its own allocator takes hold of a gibibyte at once, whether it is used or not, and the process may not have that.
    os.environ["ARROW_DEFAULT_MEMORY_POOL"] = "system"
    with refused():
        # Imported here: this module's name is known to the API, which has no use for what these load.
        rows = import_module(f"service.tables.{own}_table").read(Path(source))
        result = Path(folder) / "result"
        deque(import_module(f"service.tables.{wanted}_table").write(rows, result), maxlen=0)
    yield from chunks(result)


def written(rows: Any, wanted: str, folder: str) -> Iterator[bytes]:
    """Write `rows` (rows.Rows) in format `wanted`; of use to job types, which want to tell how far it is.

    Gives how many rows are written, again and again, then an empty item, then the bytes of the file. `folder` and
    Refusals are as above.
    """
    result, count = Path(folder) / "result", 0
    with refused():
        for more in import_module(f"service.tables.{wanted}_table").write(rows, result):
            count += more
            yield b"%d" % count
    yield b""
    yield from chunks(result)


def chunks(path: Path) -> Iterator[bytes]:
    """Give the bytes of a file."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


@contextmanager
def refused() -> Iterator[None]:
    """Tell what goes wrong with a file as Refusals, where it can be told."""
    try:
        yield
    except UnicodeError as error:
        raise Refusal("no_table", "The file holds text that is no Unicode.") from error
    except OSError as error:
        if error.errno in _WORDS:
            raise Refusal(*_WORDS[error.errno]) from error
        raise
