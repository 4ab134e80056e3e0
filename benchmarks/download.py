"""Downloading an output of 256 MiB beside aiohttp's own FileResponse of the same bytes.

What reads is a thread with a bare socket; it throws the bytes away.
"""

import argparse
import asyncio
import socket
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Figure, ratio
from benchmarks.system import KEY, answering, memory_mib, process, running_system
from service.dev.ports import free_port

SIZE = 256 << 20
AT_ONCE = 1 << 20


def read(url: str) -> float:
    """MiB a second of one download."""
    host, _, path = url.removeprefix("http://").partition("/")
    name, _, port = host.partition(":")
    room, got = bytearray(AT_ONCE), 0
    began = time.perf_counter()
    with socket.create_connection((name, int(port)), timeout=60) as connection:
        head = f"GET /{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {KEY}\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode())
        first = connection.recv(12)
        if first != b"HTTP/1.1 200":
            raise SystemExit(f"a download was answered with {first!r}")
        while more := connection.recv_into(room):
            got += more
    if got < SIZE:
        raise SystemExit(f"a download ended after {got} bytes")
    return SIZE / (1 << 20) / (time.perf_counter() - began)


async def measure(asked: argparse.Namespace) -> list[Figure]:
    """In turns."""
    ours: list[float] = []
    bare: list[float] = []
    with tempfile.TemporaryDirectory(prefix="lavori-bench-") as name:
        folder = Path(name)
        (folder / "bytes").write_bytes(b"x" * SIZE)
        port = free_port(f"{folder} plain")
        async with running_system(folder) as system, system.client() as api:
            environ = {**system.environ, "PLAIN_FILE": str(folder / "bytes")}
            body = {"type": "sleep", "args": {"seconds": 0, "steps": 1, "output_bytes": SIZE}}
            async with api.post("/api/jobs", json=body, headers={"Prefer": "wait=60"}) as response:
                job = await response.json()
            path = f"/api/jobs/{job['id']}/outputs/{job['outputs'][0]['id']}/content"
            async with process(environ, "-m", "benchmarks.plain", str(port), name="plain"):
                await answering(f"http://127.0.0.1:{port}/fixed")
                before = memory_mib(system.api_pid)
                for _ in range(asked.runs):
                    bare.append(await asyncio.to_thread(read, f"http://127.0.0.1:{port}/file"))
                    ours.append(await asyncio.to_thread(read, system.url + path))
                grown = memory_mib(system.api_pid, "VmHWM") - before
    limit, found = Figure("FileResponse", "MiB/s", bare), Figure("download of an output", "MiB/s", ours)
    return [
        limit,
        found,
        ratio(found, limit, 0.8),
        Figure("memory of the API grew by", "MiB", [grown], most=8),
    ]
