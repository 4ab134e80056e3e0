"""Job types of the engine's tests: those that wait, block, crash, or write down what they did."""

import asyncio
import os
import signal
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from marshmallow import INCLUDE, Schema, fields

from service.jobs.jobtype import JobFailed, job_type
from workers.context import JobContext

GATES: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
"""What `gated` waits for; of use where the worker runs in the test's own process."""

CREATE_EFFECTS = """
CREATE TABLE IF NOT EXISTS effects (
    at timestamptz NOT NULL DEFAULT clock_timestamp(), job_id uuid, run int, claim int, step int
)
"""
ADD_EFFECT = "INSERT INTO effects (job_id, run, claim, step) VALUES ($1, $2, $3, $4)"


class Open(Schema):
    """Any args."""

    class Meta:
        unknown = INCLUDE


class Seconds(Schema):
    """How long, in how many steps."""

    seconds = fields.Float(load_default=0.0)
    steps = fields.Integer(load_default=1)


@job_type("gated", params=Open)
async def gated(job: JobContext) -> str:
    """Wait for a gate to open."""
    job.progress(10, "waiting")
    await GATES[job.args["gate"]].wait()
    return "through"


@job_type("forever", params=Open)
async def forever(job: JobContext) -> None:
    """Never end by itself."""
    job.progress(1, "here I am")
    await asyncio.sleep(3_600)


@job_type("wait", params=Seconds)
async def wait(job: JobContext) -> int:
    """Sleep in steps; each reports."""
    for step in range(job.args["steps"]):
        await asyncio.sleep(job.args["seconds"] / job.args["steps"])
        job.progress(100 * step / job.args["steps"])
    return job.claim


@job_type("busy", params=Seconds)
async def busy(job: JobContext) -> int:
    """Keep the event loop from turning."""
    end = time.monotonic() + job.args["seconds"]
    turns = 0
    while time.monotonic() < end:
        turns += 1
    return job.claim


@job_type("percents", params=Open)
async def percents(job: JobContext) -> str:
    """Report the percents that it is given, as fast as it can or with pauses."""
    for percent in job.args["percents"]:
        job.progress(percent, f"at {percent}")
        await asyncio.sleep(job.args.get("pause", 0))
    return "done"


@job_type("chatty", params=Open)
async def chatty(job: JobContext) -> str:
    """Say many things."""
    for n in range(job.args["count"]):
        job.message(f"line {n}")
        if n % 50 == 0:
            job.progress(n % 97)
            await asyncio.sleep(0.01)
    return "said"


@job_type("lines", params=Open)
async def lines(job: JobContext) -> str:
    """Say so many lines in so many seconds."""
    for n in range(job.args["count"]):
        job.message(f"line {n}")
        await asyncio.sleep(job.args["seconds"] / job.args["count"])
    return "said"


@job_type("odd_message", params=Open)
async def odd_message(job: JobContext) -> str:
    """Say something in a way that is wrong, or only odd; `%0` stands for NUL, which args can't hold."""
    tool_id = job.args.get("tool_id", "").replace("%0", "\0") or None
    text = job.args.get("text", "x").replace("%0", "\0")
    job.message(text, level=job.args.get("level", "info"), tool_id=tool_id)
    await asyncio.sleep(job.args.get("seconds", 0))
    return "said"


@job_type("odd_end", params=Open)
async def odd_end(job: JobContext) -> Any:
    """End in a way that cannot be written down."""
    match job.args["how"]:
        case "result":
            return object()
        case "circle":
            circle: list[Any] = []
            circle.append(circle)
            return circle
        case "message":
            raise JobFailed("odd", ValueError("no text"))  # type: ignore[arg-type]
        case "text":
            return "a\0b\ud800c"
        case "poison":
            return "poison"
    raise JobFailed("c\0de", "a\0b\ud800c")


@job_type("fails", params=Open, retry_seconds=0.05)
async def fails(job: JobContext) -> None:
    """Fail each time, once its gate is open."""
    if "gate" in job.args:
        await GATES[job.args["gate"]].wait()
    raise JobFailed("no", "it never works", retryable=True)


@job_type("crash", params=Open)
async def crash(job: JobContext) -> None:
    """Take the whole worker down; or as the kernel does with whoever takes the last of the memory."""
    if job.args.get("as_if_memory_were_out"):
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(1)


@job_type("noted", params=Open)
async def noted(job: JobContext) -> int:
    """Append a line to a file when it begins and when it ends."""
    note(job, "begins")
    await asyncio.sleep(job.args.get("seconds", 0))
    note(job, "ends")
    return job.claim


def note(job: JobContext, what: str) -> None:
    """Append a line; one small write with O_APPEND is whole, whoever else writes."""
    handle = os.open(Path(job.args["diary"]), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(handle, f"{job.id} {job.run} {job.claim} {os.getpid()} {what}\n".encode())
    finally:
        os.close(handle)


@job_type("effects", params=Seconds, max_attempts=3)
async def effects(job: JobContext) -> int:
    """Write a row a step, each with its checkpoint, so that no step is done twice."""
    done = (await job.checkpoint_state() or {"done": 0})["done"]
    steps = job.args["steps"]
    for step in range(done, steps):
        async with job.fenced() as connection:
            await connection.execute(ADD_EFFECT, job.id, job.run, job.claim, step)
            await job.save_checkpoint(connection, {"done": step + 1})
        job.progress(100 * (step + 1) / steps)
        await asyncio.sleep(job.args["seconds"] / steps)
    return job.claim


@job_type("frozen", params=Open, max_attempts=3)
async def frozen(job: JobContext) -> str:
    """Stop in the middle of a fenced transaction: the whole process at the first claim, and go on when it is woken."""
    async with job.fenced() as connection:
        await connection.execute(ADD_EFFECT, job.id, job.run, job.claim, 0)
        if job.claim == 1:
            note(job, "freezes")
            os.kill(os.getpid(), 19)  # SIGSTOP
    return f"claim {job.claim}"
