"""Submit and poll of one API process beside bare aiohttp and the tutorial's way.

Needs wrk on the PATH (Debian: apt-get install wrk). Measured are requests per second of 64 connections, their p99, and
the CPU time of the server's own process for each request, which a busy machine hardly changes.
"""

import argparse
import asyncio
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from benchmarks.figures import Figure, ratio
from benchmarks.system import KEY, System, answering, cpu_seconds, process, running_system
from service.dev.ports import free_port

CONNECTIONS = 64
POLLED = 1_000
JOB = {
    "type": "echo",
    "priority": "high",
    "description": "the nightly import of the water utility, second attempt",
    "labels": {"team": "payments", "region": "lombardia"},
    "args": {
        "source": "https://files.example.org/exports/2026/11/22/dovuti.csv",
        "columns": [{"name": "notice_number", "kind": "str"}, {"name": "amount", "kind": "float"}],
    },
    "max_attempts": 3,
    "correlation_id": "0199f3c2-7b1e-7cc4-9d3e-5a1b2c3d4e5f",
}
SCRIPT = """
local requests, next_one = {}, 0
local headers = {["Content-Type"] = "application/json", ["Authorization"] = "Bearer %(key)s"}
function init(args)
  for line in io.lines("%(paths)s") do
    local path, known = line:match("(%%S+) ?(.*)")
    headers["If-None-Match"] = known ~= "" and known or nil
    requests[#requests + 1] = wrk.format("%(method)s", path, headers, %(body)s)
  end
end
function request()
  next_one = next_one %% #requests + 1
  return requests[next_one]
end
"""


RATIOS = (
    ("poll", "aiohttp with a fixed body", 0.6),
    ("poll of what is known (304)", "aiohttp with a fixed body", 0.7),
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
        paths, script = folder / "paths", folder / "script.lua"
        paths.write_text("\n".join(self.lines))
        body = f"[=[{orjson.dumps(JOB).decode()}]=]" if self.method == "POST" else "nil"
        script.write_text(SCRIPT % {"key": KEY, "paths": paths, "method": self.method, "body": body})
        before = cpu_seconds(self.pid)
        wrk = await asyncio.create_subprocess_exec(
            *("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", str(script)),
            f"http://127.0.0.1:{self.port}",
            stdout=asyncio.subprocess.PIPE,
        )
        said = (await wrk.communicate())[0].decode()
        if not counts:
            return
        rate, tail = (
            re.search(r"Requests/sec:\s+([\d.]+)", said),
            re.search(r"\s99%\s+([\d.]+)(us|ms|s)", said),
        )
        made = re.search(r"(\d+) requests in", said)
        if rate is None or tail is None or made is None:
            raise SystemExit(f"wrk said what this does not understand:\n{said}")
        self.rates.append(float(rate[1]))
        self.costs.append((cpu_seconds(self.pid) - before) * 1e6 / int(made[1]))
        self.tails.append(float(tail[1]) * {"us": 0.001, "ms": 1, "s": 1_000}[tail[2]])
        bad = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
        self.failed += int(bad[1]) if bad else 0


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
                Case("aiohttp with a fixed body", plain, others, "GET", ["/fixed"]),
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
    return [
        *(figure for case in cases for figure in case.figures()),
        *(ratio(found[one], found[other], aim) for one, other, aim in RATIOS if {one, other} <= found.keys()),
    ]
