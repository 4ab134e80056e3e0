"""wrk, the load generator: a compiled program in a process of its own, with requests made up before it begins."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.system import output_of

CONNECTIONS = 64
HEAD = """
local requests, next_one, answered, ids = {}, 0, 0, {}
local headers = {["Content-Type"] = "application/json", ["Authorization"] = "Bearer %(key)s"}
local body = nil
if "%(body)s" ~= "" then
  local file = io.open("%(body)s")
  body = file:read("*a")
  file:close()
end
function init(args)
  for line in io.lines("%(paths)s") do
    local path, known = line:match("(%%S+) ?(.*)")
    headers["If-None-Match"] = known ~= "" and known or nil
    requests[#requests + 1] = wrk.format("%(method)s", path, headers, body)
  end
end
"""
ROUND = """
function request()
  next_one = next_one % #requests + 1
  return requests[next_one]
end
"""
# The second path is asked for once all is submitted, by connections whose answer came early.
UNTIL = """
next_one = -1 -- wrk asks once before it begins, to look at what it gets
function request()
  next_one = next_one + 1
  return next_one <= %(count)d and requests[1] or wrk.format("GET", "%(idle)s")
end
function response(status, headers, body)
  if status ~= 201 and status ~= 202 then return end
  answered = answered + 1
  ids[answered] = body:match('"id"%%s*:%%s*"?([^",}]+)')
  if answered == %(count)d then
    local file = io.open("%(ids)s", "w")
    file:write(table.concat(ids, "\\n"))
    file:close()
    os.exit(0)
  end
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk found: requests a second, median and p99 in ms, how many, how many were refused."""

    rate: float
    p50: float
    p99: float
    made: int
    refused: int


@dataclass(frozen=True, slots=True)
class Asked:
    """Requests to one server: `lines` are paths, each with an If-None-Match if wanted, taken in turns."""

    url: str
    lines: Sequence[str]
    folder: Path
    method: str = "GET"
    body: bytes = b""
    key: str = ""

    def head(self) -> str:
        """The script's beginning; writes the files that it reads."""
        paths, body = self.folder / "paths", self.folder / "body"
        paths.write_text("\n".join(self.lines))
        body.write_bytes(self.body)
        named = str(body) if self.body else ""
        return HEAD % {"key": self.key, "paths": paths, "method": self.method, "body": named}


async def load(asked: Asked, seconds: int, connections: int = CONNECTIONS) -> Load:
    """Ask in turns for so long."""
    said = await _wrk(asked, asked.head() + ROUND, seconds, connections)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    made = re.search(r"(\d+) requests in", said)
    half, tail = (re.search(rf"\s{cut}%\s+([\d.]+)(us|ms|s)", said) for cut in (50, 99))
    if rate is None or made is None or half is None or tail is None:
        raise SystemExit(f"wrk said what this does not understand:\n{said}")
    p50, p99 = (float(cut[1]) * {"us": 0.001, "ms": 1, "s": 1_000}[cut[2]] for cut in (half, tail))
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    return Load(float(rate[1]), p50, p99, int(made[1]), int(bad[1]) if bad else 0)


async def submit(asked: Asked, count: int, idle: str) -> list[str]:
    """Post so many jobs over 64 connections, as fast as they are answered; their ids."""
    ids = asked.folder / "ids"
    ids.unlink(missing_ok=True)
    more = UNTIL % {"count": count, "ids": ids, "idle": idle}
    said = await _wrk(asked, asked.head() + more, 60, CONNECTIONS)
    if not ids.exists():
        raise SystemExit(f"not all of {count} jobs were taken within a minute:\n{said}")
    return ids.read_text().split()


async def _wrk(asked: Asked, script: str, seconds: int, connections: int) -> str:
    path = asked.folder / "script.lua"
    path.write_text(script)
    written, _ = await output_of(
        *(
            "wrk",
            "-t1",
            f"-c{connections}",
            f"-d{seconds}s",
            "--timeout",
            "20s",
            "--latency",
            "-s",
            str(path),
        ),
        asked.url,
    )
    return written.decode()
