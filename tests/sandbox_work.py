"""Functions for a process of their own; tests/unit/test_sandbox.py runs them."""

import os
from collections.abc import Iterator
from pathlib import Path

from service.sandbox.child import Refusal


def count(to: int) -> Iterator[bytes]:
    for n in range(to):
        yield b"%d" % n


def large(items: int, size: int) -> Iterator[bytes]:
    for n in range(items):
        yield bytes([n]) * size


def talk() -> Iterator[bytes]:
    print("a stray print")  # noqa: T201  it is the point
    yield repr(sorted(os.environ)).encode()


def refuse() -> Iterator[bytes]:
    yield b"before"
    raise Refusal("bad_file", "The file is bad.")


def break_down() -> Iterator[bytes]:
    yield b"before"
    raise ValueError("secret")


def leave() -> Iterator[bytes]:
    yield b"before"
    os._exit(3)


def die() -> Iterator[bytes]:
    os.kill(os.getpid(), 9)
    yield b""


def hoard() -> Iterator[bytes]:
    yield b"before"
    hoarded = [bytearray(1 << 20) for _ in range(4096)]
    yield b"%d" % len(hoarded)


def endless(note: str) -> Iterator[bytes]:
    Path(note).write_text(str(os.getpid()))
    yield b"ready"
    while True:
        pass


def overfeed(note: str) -> Iterator[bytes]:
    for n in range(1000):
        Path(note).write_text(str(n))
        yield bytes(1 << 20)
