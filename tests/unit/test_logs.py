"""Logs: docs/logs.md lists every action, and one pipe carries every line."""

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
OUTCOMES = ("finished", "failed", "cancelled", "timed_out", "handed_back")
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


def log_calls() -> Iterator[tuple[str, ast.Call]]:
    """Every call of a method of `log` in the code, with where it stands."""
    for folder in ("service", "workers"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                match node:
                    case ast.Call(func=ast.Attribute(value=ast.Name(id="log"), attr=attr)) if attr in LEVELS:
                        yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def documented() -> dict[str, str]:
    rows = re.findall(
        r"^\| `([\w.]+)` \| (\w+) \|", (ROOT / "docs/logs.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert rows == sorted(rows), "the table is sorted, and names each action once"
    return dict(rows)


def test_every_line_has_an_action_and_the_table_has_them_all() -> None:
    found = {  # written without a `log`
        "http.request": "info",
        "job.submitted": "info",
        "library": "any",
        "logs.dropped": "error",
    }
    for place, call in log_calls():
        action = next((word.value for word in call.keywords if word.arg == "action"), None)
        assert isinstance(call.func, ast.Attribute)
        level = "error" if call.func.attr == "exception" else call.func.attr
        match action:
            case ast.Constant(value=str(name)):
                assert found.setdefault(name, level) == level, f"{place}: another level elsewhere"
            case ast.JoinedStr(values=[ast.Constant(value="job."), _]):
                found |= {f"job.{outcome}": level for outcome in OUTCOMES}
            case _:
                raise AssertionError(f"{place} has no action, or none that can be listed")
    assert documented() == found


def test_the_outcomes_are_those_of_attempts() -> None:
    listed, *_ = re.findall(
        r"CREATE TABLE attempts .*?outcome\s+text NOT NULL CHECK \(outcome IN \((.*?)\)\)",
        (ROOT / "schema.sql").read_text(),
        re.DOTALL,
    )
    assert {word.strip(" '") for word in listed.split(",")} == {
        *OUTCOMES,
        "lost",
    }  # rescue tells of lost ones


PROGRAM = """
import asyncio, logging, warnings
import structlog
from service.settings import Settings
from service.telemetry.logs import bind, bind_more, configure_logs
import os
configure_logs(Settings.from_environ(os.environ))
log = structlog.get_logger()

async def request(number):
    bind(request_id=f"r{number}")
    await asyncio.sleep(0)
    bind_more(tenant=f"t{number}")
    await asyncio.sleep(0)
    log.info("one", action="test.one", number=number)

async def main():
    await asyncio.gather(*(request(number) for number in range(3)))

asyncio.run(main())
log.debug("too quiet", action="test.debug")
logging.getLogger("aiohttp.server").error("Bad status line %r", b"GET /d/0199f3c2-7b1e-7cc4-9d3e-5a1b2c3d4e5f/aToken")
logging.getLogger("aiohttp.access").info("not from warning on")
warnings.warn("mind this")
try:
    raise ValueError("Bearer abcdefghijkl " + "k" * 30 + "\\udc80")
except ValueError:
    log.exception("broken", action="test.broken", password="hunter2", big=2**70)
"""


def lines(**environ: str) -> list[str]:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env={**os.environ, "LAVORI_ADMIN_KEY": "k" * 30, **environ},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == "", "data goes to stdout, talk to stderr"
    return ran.stderr.splitlines()


def test_off_a_terminal_each_line_is_json_with_what_is_bound_to_its_task() -> None:
    told = [json.loads(line) for line in lines()]
    assert [line["action"] for line in told] == ["test.one"] * 3 + ["library"] * 2 + ["test.broken"]
    for number, line in enumerate(told[:3]):
        assert line["number"] == number
        assert (line["request_id"], line["tenant"]) == (f"r{number}", f"t{number}")
        assert re.fullmatch(r"2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line["timestamp"])
        assert line["level"] == "info"
    assert told[3]["logger"] == "aiohttp.server"
    assert told[3]["level"] == "error"
    assert "aToken" not in told[3]["event"]
    assert "mind this" in told[4]["event"]
    assert "Traceback" in told[5]["exception"]
    assert told[5]["password"] == "***"


def test_no_secret_comes_through_in_either_format() -> None:
    for environ in ({}, {"LAVORI_LOG_FORMAT": "text"}):
        said = "\n".join(lines(**environ))
        assert "broken" in said
        for secret in ("aToken", "abcdefghijkl", "kkkk", "hunter2"):
            assert secret not in said


def test_for_people_a_line_is_text() -> None:
    first = lines(LAVORI_LOG_FORMAT="text")[0]
    assert re.match(r"2\S+Z \[info\] one +", first)
    assert "action=test.one" in first
    assert "\x1b" not in first


def test_the_level_is_the_setting() -> None:
    assert [json.loads(line)["level"] for line in lines(LAVORI_LOG_LEVEL="error")] == ["error", "error"]


STALLED = """
import os, sys, time
from service.telemetry import writer
writer.MOST_LINES = 1_000
made = writer.Writer(2, lambda count: b"dropped %d\\n" % count)
began = time.monotonic()
for number in range(5_000):
    made.put(b"line %06d %s\\n" % (number, b"x" * 200))
sys.stdout.write(f"{time.monotonic() - began}\\n")
sys.stdout.flush()
sys.stdin.readline()
"""


def test_a_reader_that_stalls_holds_nobody_up_and_what_is_missing_is_counted() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STALLED],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin and process.stdout and process.stderr  # noqa: PT018
        assert float(process.stdout.readline()) < 2
        process.stdin.write("\n")
        process.stdin.flush()
        said = process.stderr.read().splitlines()
        assert process.wait(10) == 0
    told = [int(line.split()[1]) for line in said if line.startswith("dropped")]
    numbers = [int(line.split()[1]) for line in said if line.startswith("line")]
    assert numbers == sorted(set(numbers))
    assert told
    assert len(numbers) + sum(told) == 5_000


def test_a_process_ends_though_nobody_reads_its_lines() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STALLED],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.wait(20) == 0
        assert process.stderr
        process.stderr.close()
