"""Measure submit and poll of one API process beside bare aiohttp and the tutorial's way: `python -m benchmarks.http`.

Needs wrk on the PATH (Debian: apt-get install wrk). Servers are started for it. All cases are measured in turns, each
`--runs` times, so that a slow minute of the machine is everybody's; shown are medians of requests per second with min
and max, p99 in milliseconds, CPU time of the server's own process for each request in microseconds (which a busy
machine hardly changes), and ratios.
"""

import argparse
import asyncio
import os
import re
import shutil
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import orjson
from aiohttp import ClientError, ClientSession
from rich.console import Console
from rich.table import Table

from service.db.migrate import migrate
from service.dev.embedded import embedded_servers
from service.dev.ports import free_port

KEY = "an-admin-key-for-measuring"
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

    @property
    def rate(self) -> float:
        """Requests per second, the median."""
        return statistics.median(self.rates)

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


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used."""
    words = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def process(environ: dict[str, str], port: int, *command: str) -> AsyncIterator[int]:
    """Run a server of our own until the block ends; it answers when the block begins. Its log goes to a file."""
    with (Path(environ["LAVORI_DATA"]) / f"{port}.log").open("wb") as log:
        running = await asyncio.create_subprocess_exec(
            sys.executable, *command, env={**os.environ, **environ}, stdout=log, stderr=log
        )
    try:
        async with asyncio.timeout(20), ClientSession() as session:
            while True:
                try:
                    await session.get(f"http://127.0.0.1:{port}/livez")
                    break
                except ClientError:
                    await asyncio.sleep(0.05)
        yield running.pid
    finally:
        if running.returncode is None:
            running.terminate()
        await running.wait()


async def submitted(port: int) -> list[tuple[str, str]]:
    """Path and ETag of jobs to poll."""
    headers = {"Authorization": f"Bearer {KEY}"}
    async with ClientSession(f"http://127.0.0.1:{port}", headers=headers) as api:
        async with api.post("/api/jobs/batch", json=[JOB] * POLLED) as response:
            made = await response.json()
        return [(f"/api/jobs/{one['job']['id']}", f'"{one["job"]["version"]}"') for one in made]


def prepared(folder: Path) -> Path:
    """The folder, with a place for data that PostgreSQL can reach as nobody."""
    folder.chmod(0o755)
    (folder / "data").mkdir()
    return folder


async def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=4, help="of each run")
    parser.add_argument("--runs", type=int, default=3, help="of each case")
    parser.add_argument("--only", default="", help="cases whose name holds this word")
    asked = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("This needs wrk, the load generator: on Debian, apt-get install wrk.")
    with tempfile.TemporaryDirectory(prefix="lavori-bench-") as text:
        folder = prepared(Path(text))
        data = folder / "data"
        async with embedded_servers(data) as servers:
            await migrate(servers.database_url)
            port, plain = free_port(f"{folder} api"), free_port(f"{folder} plain")
            environ = {
                "DATABASE_URL": servers.database_url,
                "REDIS_URL": servers.redis_url,
                "LAVORI_DATA": str(data),
                "LAVORI_SECRET_KEYS": "a-secret-key-for-measuring-of-32-bytes",
                "LAVORI_ADMIN_KEY": KEY,
                "PORT": str(port),
            }
            async with (
                process(environ, port, "-m", "service", "serve") as ours,
                process(environ, plain, "-m", "benchmarks.plain", str(plain)) as others,
            ):
                jobs = await submitted(port)
                cases = [
                    Case("aiohttp, fixed body", plain, others, "GET", ["/fixed"]),
                    Case("poll", port, ours, "GET", [path for path, _ in jobs]),
                    Case("poll, unchanged (304)", port, ours, "GET", [f"{path} {tag}" for path, tag in jobs]),
                    Case("aiohttp, parse only", plain, others, "POST", ["/parse"]),
                    Case("tutorial submit", plain, others, "POST", ["/tutorial"]),
                    Case("submit", port, ours, "POST", ["/api/jobs"]),
                ]
                cases = [case for case in cases if asked.only in case.name]
                for case in cases:
                    await case.measure(folder, 1, counts=False)
                for _ in range(asked.runs):
                    for case in cases:
                        await case.measure(folder, asked.seconds)
                show(cases)


RATIOS = (
    ("poll", "aiohttp, fixed body", 0.6),
    ("poll, unchanged (304)", "aiohttp, fixed body", 0.7),
    ("submit", "tutorial submit", 5.0),
    ("submit", "aiohttp, parse only", 0.5),
)


def show(cases: list[Case]) -> None:
    """Print what was measured."""
    table = Table(
        "case",
        "req/s",
        "min",
        "max",
        "p99 ms",
        "CPU µs",
        "failed",
        title=f"{CONNECTIONS} connections, one process each",
    )
    for case in cases:
        numbers = (case.rate, min(case.rates), max(case.rates))
        cost = f"{statistics.median(case.costs):.0f}"
        tail = f"{statistics.median(case.tails):.0f}"
        table.add_row(case.name, *(f"{number:,.0f}" for number in numbers), tail, cost, str(case.failed))
    ratios = Table("ratio", "is", "target", "by CPU time")
    found = {case.name: case for case in cases}
    for one, other, target in RATIOS:
        if one in found and other in found:
            cost = statistics.median(found[other].costs) / statistics.median(found[one].costs)
            rate = found[one].rate / found[other].rate
            ratios.add_row(f"{one} : {other}", f"{rate:.2f}", f"{target:.2f}", f"{cost:.2f}")
    console = Console()
    console.print(table)
    console.print(ratios)


if __name__ == "__main__":
    asyncio.run(main())
