"""Waiting for the end of a job, and what comes of it: its output, its files, and an exit code."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from service.cli.client import fetch, harmless
from service.cli.client.api import Api, part
from service.cli.client.command import Asked, say
from service.cli.client.ending import BY_JOB_STATUS, Code, Ended
from service.cli.client.events import TimeIsUp, job_events
from service.cli.client.output import Format, put, show_one
from service.cli.client.progress import progress_of
from service.cli.client.shapes import JOB


def follow(asked: Asked, job_id: str, *, timeout: float | None, quiet: bool) -> dict[str, Any]:
    """Show a job until it ends, and give it. Raises Ended at the timeout, and when it is deleted meanwhile."""
    asked.when_interrupted = hint = _hint(job_id)
    ends = None if timeout is None else time.monotonic() + timeout
    job: dict[str, Any] | None = None
    try:
        with progress_of(quiet=quiet) as progress:
            for event in job_events(asked.api, job_id, ends):
                if event.name == "gone":
                    raise Ended("The job was deleted.", Code.NOT_FOUND)
                if event.name == "job":
                    job = event.data
                    asked.when_interrupted = hint = _hint(event.data["number"])
                    progress.job(event.data)
                    if job["status"] in BY_JOB_STATUS:
                        break
    except TimeIsUp:
        state = f"It is still {job['status']}" if job else "It has not ended"
        raise Ended(f"{state} after {timeout:g} s. {hint}", Code.STILL_RUNNING) from None
    if job is None or job["status"] not in BY_JOB_STATUS:
        raise Ended(f"{asked.api.url} does not tell how the job ended.", Code.UNAVAILABLE)
    asked.when_interrupted = ""
    return job


def _hint(ref: object) -> str:
    return f"The job runs on. To cancel it: lavori cancel {ref}"


def deliver(asked: Asked, job: Mapping[str, Any], *, to: str | None, force: bool, quiet: bool) -> None:
    """Write what came of an ended job, and end with the code of its status.

    For people that is its output, else its files; in other formats the job itself, and files only where `to` asks.
    """
    if asked.output is not Format.TABLE:
        show_one(job, JOB, asked.output)
    elif job["status"] == "finished" and job["output"] is not None and to is None:
        _put_text(job["output"])
    if job["status"] == "finished" and (to or (asked.output is Format.TABLE and job["output"] is None)):
        for output in job["outputs"]:
            save(asked.api, f"/api/jobs/{part(job['id'])}", output, to=to, force=force, quiet=quiet)
    elif job["outputs"] and job["status"] == "finished" and not quiet:
        names = ", ".join(harmless.one_line(output["name"]) for output in job["outputs"])
        say(f"It made {names}: lavori download {job['number']}")
    code = BY_JOB_STATUS[job["status"]]
    if code is Code.JOB_FAILED:
        error = job["error"] or {}
        raise Ended(
            f"The job failed ({harmless.one_line(str(error.get('code')))}): "
            f"{harmless.lines(str(error.get('message')))}",
            code,
        )
    if code is not Code.FINE:
        raise Ended("The job was cancelled.", code)


def _put_text(text: str) -> None:
    """Write an output as it is, to a terminal without what that would obey."""
    if sys.stdout.isatty():
        text = harmless.lines(text)
    put(text if text.endswith("\n") or not text else text + "\n")


def save(
    api: Api,
    job_path: str,
    output: Mapping[str, Any],
    *,
    to: str | None = None,
    wanted: str | None = None,
    force: bool = False,
    quiet: bool = False,
) -> None:
    """Save an output file: in the present folder, in the folder or under the name `to`, or on stdout for `-`."""
    path = f"{job_path}/outputs/{part(output['id'])}/content"
    if wanted is None:
        save_file(api, path, output, to=to, force=force, quiet=quiet)
        return
    # Bytes of another format have neither this name, nor this checksum.
    other = {"name": f"{Path(output['name']).stem}.{wanted}"}
    save_file(api, path, other, to=to, force=force, quiet=quiet, query={"format": wanted})


def save_file(
    api: Api,
    path: str,
    file: Mapping[str, Any],
    *,
    to: str | None,
    force: bool,
    quiet: bool,
    query: Mapping[str, Any] | None = None,
) -> None:
    """Save what a path gives; `file` says its `name`, and `sha256` and `size` where they are known."""
    if to == "-":
        fetch.to_stdout(api, path, query)
        return
    name = harmless.file_name(str(file["name"] or "attachment"))
    target = Path(to) if to and not Path(to).is_dir() else Path(to or ".") / name
    fetch.to_disk(
        api,
        path,
        target,
        query=query,
        sha256=file.get("sha256"),
        size=file.get("size"),
        force=force,
        quiet=quiet,
    )
    if not quiet:
        say(f"Saved {harmless.one_line(str(target))}.")
