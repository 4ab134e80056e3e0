"""The child's side of service/sandbox/process.py. It imports next to nothing: starting it is part of the work's time.

A frame is a kind, a length and that many bytes.
"""

import contextlib
import json
import os
import resource
import struct
import threading
import traceback
from collections.abc import Iterator
from importlib import import_module
from typing import Any

HEADER = struct.Struct(">BI")
LARGEST_ITEM = 64 << 20
ITEM, ENDED, REFUSED, OUT_OF_MEMORY, FAILED = range(5)


class Refusal(Exception):
    """Raised by a function that runs here, to end the work with a code and a message for people."""

    def __init__(self, code: str, message: str) -> None:
        self.code, self.message = code, message
        super().__init__(message)


def main(spec: dict[str, Any]) -> None:
    """Run the function and write what it yields, then how it ended."""
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a stray print goes to the log, not between the frames
    threading.stack_size(256 << 10)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (spec["memory"], spec["memory"]))
    if spec["largest_file"] is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (spec["largest_file"], spec["largest_file"]))
    with contextlib.suppress(BrokenPipeError):  # nobody is left to be told
        for kind, body in _frames(spec):
            pipe.write(HEADER.pack(kind, len(body)))
            pipe.write(body)
            pipe.flush()


def _frames(spec: dict[str, Any]) -> Iterator[tuple[int, bytes]]:
    module, name = spec["function"]
    try:
        for item in getattr(import_module(module), name)(*spec["args"]):
            yield ITEM, item
        yield ENDED, b""
    except Refusal as error:
        yield REFUSED, json.dumps({"code": error.code, "message": error.message}).encode()
    except MemoryError:
        yield OUT_OF_MEMORY, b""
    except Exception as error:  # noqa: BLE001  whatever it is, the work ends with it, and the log has the traceback
        traceback.print_exc()
        yield FAILED, type(error).__name__.encode()


def _die_with_parent() -> None:
    """The parent never writes to stdin after the spec: its end is the parent's end, even by kill -9."""
    while os.read(0, 1):
        pass
    os._exit(1)
