"""A report of dues, in a process of its own (workers/sandbox.py): the lines that COPY gave in, a file out."""

import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from service.tables.convert import written


def report(lines: str, wanted: str, folder: str) -> Iterator[bytes]:
    """Make a file in format `wanted` of the file `lines`; the items are those of `written`.

    Raises Refusal: `too_large`, `storage_full`.
    """
    # Its own allocator takes hold of a gibibyte at once, whether it is used or not, and the process may not have that.
    os.environ["ARROW_DEFAULT_MEMORY_POOL"] = "system"
    # Imported here: this module's name is known to the worker, which has no use for what that one loads.
    rows = import_module("workers.jobtypes.dovuti.lines").read(Path(lines))
    yield from written(rows, wanted, folder)
