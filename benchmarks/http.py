"""Submit and poll of one API process beside bare aiohttp and the tutorial's way.

Needs wrk on the PATH (Debian: apt-get install wrk). Measured are requests per second of 64 connections, their p99, and
the CPU time of the server's own process for each request, which a busy machine hardly changes.
"""

import argparse
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from benchmarks import wrk
from benchmarks.figures import Figure, ratio
from benchmarks.request import JOB
from benchmarks.system import KEY, System, answering, cpu_seconds, process, running_system
from service.dev.ports import free_port

POLLED = 1_000
FIXED = "aiohttp with a fixed body"
RATIOS = (
    ("poll", FIXED, 0.6),
    ("poll of what is known (304)", FIXED, 0.7),
    ("submit", "tutorial's submit", 5),
    ("submit", "aiohttp that parses only", 0.5),
)


@dataclass(slots=True)
class Case:
    """One thing to measure: `lines` are paths, each with an If-None-Match if wanted."""

    name: str
    port: int
    pid: int
    method: str
    lines: list[str]
    costs: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    tails: list[float] = field(default_factory=list)
    failed: int = 0

    def figures(self) -> list[Figure]:
        """What was measured. A request that failed is none of the others' either."""
        if self.failed:
            raise SystemExit(f"{self.failed} requests of {self.name} were refused")
        return [
            self.per_second(),
            Figure(f"{self.name}, p99", "ms", self.tails),
            Figure(f"{self.name}, CPU a request", "µs", self.costs),
        ]

    def per_second(self) -> Figure:
        """How many requests."""
        return Figure(self.name, "requests/s", self.rates)

    async def measure(self, folder: Path, seconds: int, *, counts: bool = True) -> None:
        """Run wrk once."""
        body = orjson.dumps(JOB) if self.method == "POST" else b""
        before = cpu_seconds(self.pid)
        url = f"http://127.0.0.1:{self.port}"
        got = await wrk.load(wrk.Asked(url, self.lines, folder, self.method, body, KEY), seconds)
        if not counts:
            return
        self.rates.append(got.rate)
        self.costs.append((cpu_seconds(self.pid) - before) * 1e6 / got.made)
        self.tails.append(got.p99)
        self.failed += got.refused


async def submitted(system: System) -> list[tuple[str, str]]:
    """Path and ETag of jobs to poll."""
    async with system.client() as api, api.post("/api/jobs/batch", json=[JOB] * POLLED) as response:
        made = await response.json()
    return [(f"/api/jobs/{one['job']['id']}", f'"{one["job"]["version"]}"') for one in made]


async def measure(asked: argparse.Namespace) -> list[Figure]:
    """All cases in turns. There is no worker: the queue only grows, which is what a submit alone costs."""
    with tempfile.TemporaryDirectory(prefix="lavori-bench-") as text:
        folder = Path(text)
        plain = free_port(f"{folder} plain")
        async with (
            running_system(folder, workers=0) as system,
            process(system.environ, "-m", "benchmarks.plain", str(plain)) as others,
        ):
            await answering(f"http://127.0.0.1:{plain}/fixed")
            jobs = await submitted(system)
            ours = system.api_pid
            port = int(system.environ["PORT"])
            cases = [
                Case(FIXED, plain, others, "GET", ["/fixed"]),
                Case("poll", port, ours, "GET", [path for path, _ in jobs]),
                Case(
                    "poll of what is known (304)", port, ours, "GET", [f"{path} {tag}" for path, tag in jobs]
                ),
                Case("aiohttp that parses only", plain, others, "POST", ["/parse"]),
                Case("tutorial's submit", plain, others, "POST", ["/tutorial"]),
                Case("submit", port, ours, "POST", ["/api/jobs"]),
            ]
            cases = [case for case in cases if asked.only in case.name]
            for case in cases:
                await case.measure(folder, 1, counts=False)
            for _ in range(asked.runs):
                for case in cases:
                    await case.measure(folder, asked.seconds)
    found = {case.name: case.per_second() for case in cases}
    late = []
    if {"poll", FIXED} <= found.keys():
        tails = {case.name: Figure(f"{case.name}, p99", "ms", case.tails) for case in cases}
        late = [ratio(tails["poll"], tails[FIXED], most=3)]
    return [
        *(figure for case in cases for figure in case.figures()),
        *(ratio(found[one], found[other], aim) for one, other, aim in RATIOS if {one, other} <= found.keys()),
        *late,
    ]
