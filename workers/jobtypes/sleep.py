"""The job type sleep, for trying things out and for checks from outside."""

import asyncio

from marshmallow import Schema, fields, validate

from service.jobs.jobtype import JobFailed, job_type
from workers.context import JobContext

LINE = b"Lavori sleeps well, and so does whoever waits for it: here are 64.\n"[-64:]
BLOCK = LINE * (1 << 14)  # 1 MiB


class Params(Schema):
    """What `args` holds."""

    seconds = fields.Float(
        load_default=2.0,
        validate=validate.Range(0, 86_400),
        metadata={"description": "How long to sleep in all."},
    )
    steps = fields.Integer(
        load_default=10,
        strict=True,
        validate=validate.Range(1, 10_000),
        metadata={"description": "In how many steps; each reports progress, running output and a message."},
    )
    fail = fields.Boolean(
        load_default=False, truthy={True}, falsy={False}, metadata={"description": "Fail when awake again."}
    )
    output_bytes = fields.Integer(
        load_default=0,
        strict=True,
        validate=validate.Range(0, 1 << 30),
        metadata={"description": "The size of the output."},
    )


@job_type(
    "sleep",
    params=Params,
    name="Sleep",
    category="Trying out",
    timeout_seconds=2 * 86_400,
    example={"seconds": 2, "steps": 10, "fail": False, "output_bytes": 0},
)
async def sleep(job: JobContext) -> str | None:
    """Sleep in steps, then fail if told so, or end with an output of so many bytes."""
    seconds, steps = job.args["seconds"], job.args["steps"]
    for step in range(1, steps + 1):
        await asyncio.sleep(seconds / steps)
        job.progress(100 * step / steps, f"step {step} of {steps}", status_text="Sleeping")
        job.message(f"step {step} of {steps}")
    if job.args["fail"]:
        raise JobFailed("told_to_fail", "The job was told to fail.")
    size: int = job.args["output_bytes"]
    if size <= job.settings.inline_limit:
        return (BLOCK * (size // len(BLOCK) + 1))[:size].decode()
    async with job.create_output("output.txt", "text/plain") as output:
        for _ in range(size // len(BLOCK)):
            await output.write(BLOCK)
        await output.write(BLOCK[: size % len(BLOCK)])
    return None
