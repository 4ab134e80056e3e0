"""A job type whose args hold secrets, of every kind and at every depth, and that is careless with them."""

import hashlib
from typing import Any

import structlog
from marshmallow import Schema, fields, validate

from service.jobs.jobtype import JobFailed, job_type
from workers.context import JobContext

log = structlog.get_logger()
SECRET = {"secret": True}


class Login(Schema):
    """A part of the args."""

    host = fields.String(load_default="localhost")
    password = fields.String(allow_none=True, metadata=SECRET, validate=validate.Length(min=8))


class Params(Schema):
    """Args of many shapes."""

    note = fields.String(load_default="")
    password = fields.String(load_default="a default", metadata=SECRET)
    pin = fields.Integer(strict=True, metadata=SECRET)
    login = fields.Nested(Login)
    logins = fields.List(fields.Nested(Login))
    tokens = fields.Dict(keys=fields.String(), values=fields.String(metadata=SECRET))
    headers = fields.Dict(values=fields.String(metadata={"secret": lambda name: name != "Accept"}))
    vault = fields.Dict(metadata=SECRET)
    words = fields.List(fields.String(metadata=SECRET))
    how = fields.String(load_default="ends", validate=validate.OneOf(["ends", "fails", "raises", "waits"]))


@job_type("careless", params=Params, max_attempts=1, retry_seconds=0.05)
async def careless(job: JobContext) -> Any:
    """Say its secrets wherever it can, then give a digest of them."""
    told = " ".join(secrets_of(job.args))
    job.progress(10, f"with {told}", status_text=f"As {told}"[:200])
    job.message(f"the secrets are {told}")
    if job.args["how"] == "fails":
        raise JobFailed("careless", f"it does not work with {told}", retryable=True)
    if job.args["how"] == "raises":
        raise ValueError(told)
    return {"digest": digest(told)}


def secrets_of(args: dict[str, Any]) -> list[str]:
    """The texts among them, in a fixed order."""
    logins = [args.get("login", {}), *args.get("logins", [])]
    return [
        args["password"],
        *(one["password"] for one in logins if one.get("password")),
        *args.get("tokens", {}).values(),
        *args.get("headers", {}).values(),
        *args.get("vault", {}).values(),
        *args.get("words", []),
    ]


def digest(text: str) -> str:
    """What shows that the worker had the very secrets."""
    return hashlib.sha256(text.encode()).hexdigest()
