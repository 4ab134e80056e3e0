"""The job type of the fault tests: each step is an effect in a fenced transaction, told of in the effect log."""

import asyncio
import os
from pathlib import Path

from marshmallow import Schema, fields

from engine_jobs import ADD_EFFECT
from service.jobs.jobtype import job_type
from workers.context import JobContext


class Marked(Schema):
    """Where to tell of it, how many steps, how long they take together, and how large the output is."""

    diary = fields.String(required=True)
    steps = fields.Integer(load_default=2)
    seconds = fields.Float(load_default=0.0)
    output_bytes = fields.Integer(load_default=0)


@job_type("marked", params=Marked, max_attempts=3)
async def marked(job: JobContext) -> str:
    """Do what no earlier attempt has done, a step after the other."""
    steps = job.args["steps"]
    _tell(job, "begins", 0)
    done = (await job.checkpoint_state() or {"done": 0})["done"]
    for step in range(done, steps):
        async with job.fenced() as connection:
            await connection.execute(ADD_EFFECT, job.id, job.run, job.claim, step)
            await job.save_checkpoint(connection, {"done": step + 1})
        _tell(job, "commits", step)
        job.progress(100 * (step + 1) / steps, f"step {step + 1}")
        job.message(f"step {step + 1}")
        await asyncio.sleep(job.args["seconds"] / steps)
    _tell(job, "ends", 0)
    output_bytes: int = job.args["output_bytes"]
    return "x" * output_bytes


class Bulky(Schema):
    """How much to write."""

    mebibytes = fields.Integer(required=True)


@job_type("bulky", params=Bulky, max_attempts=2, retry_seconds=2)
async def bulky(job: JobContext) -> None:
    """Write a file, a mebibyte after the other, each with its number all over it."""
    async with job.create_output("bulky.bin", "application/octet-stream") as writer:
        for number in range(job.args["mebibytes"]):
            await writer.write(mebibyte(number))


def mebibyte(number: int) -> bytes:
    """A mebibyte of a bulky file."""
    return number.to_bytes(4) * 262_144


def _tell(job: JobContext, what: str, step: int) -> None:
    handle = os.open(Path(job.args["diary"]), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(handle, f"{job.id} {job.run} {job.claim} {what} {step}\n".encode())
    finally:
        os.close(handle)
