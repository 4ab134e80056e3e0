"""One query over one file, in a process of its own (workers/sandbox.py)."""

import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from service.sandbox.child import Refusal
from service.tables.convert import refused, written


def query(source: str, own: str, sql: str, wanted: str, folder: str) -> Iterator[bytes]:
    """Run `sql` over `source`, a file in format `own`, and make a file in format `wanted` of the result.

    Gives how many rows the file has once it is loaded, then what service/tables/convert.written gives. `folder` is for
    files on the way, and removed by the caller. Raises Refusal: `no_table`, `query_refused`, `query_failed`,
    `query_too_large`, `storage_full`, `not_installed`.
    """
    # Its own allocator takes hold of a gibibyte at once, whether it is used or not, and the process may not have that.
    os.environ["ARROW_DEFAULT_MEMORY_POOL"] = "system"
    os.chdir(folder)
    # Imported here: this module's name is known to the worker, which has no use for what that one loads.
    try:
        engine = import_module("workers.jobtypes.query.engine")
    except ModuleNotFoundError as error:
        if error.name != "duckdb":
            raise
        raise Refusal(
            "not_installed", "This worker can run no queries: its operator has to install lavori[query]."
        ) from None
    with refused():
        connection, count = engine.loaded(Path(source), own)
    yield b"%d" % count
    yield from written(engine.result(connection, sql), wanted, folder)
