"""From the body of a definition to the columns that are written, with every fault at once."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from marshmallow import Schema

from service.access.principal import Principal
from service.db.connection import Executor
from service.definitions.schedule import Next, next_of
from service.definitions.schemas import ScheduleIn
from service.definitions.store import Columns
from service.errors import Fault, Invalid, UnknownJobType
from service.jobs.attach import keep, read_attachment
from service.jobs.core import Core
from service.jobs.defined import definition_place
from service.jobs.job import Row
from service.jobs.jobtype import JobType
from service.jobs.modify import renamed
from service.jobs.schemas import AttachmentIn
from service.jobs.secret_args import Kept, filled_in, keep_args
from service.jobs.states import PRIORITIES, Priority
from service.sealing import Unsealable
from service.web.encoding import dumps
from service.web.payload import load

_SCHEDULE_IN, _ATTACHMENT_IN = ScheduleIn(), AttachmentIn()
NOW = "SELECT now()"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A body, and what there is already: `row` is the definition before, whose attachment stays without a new one."""

    definition_id: UUID
    code: str
    body: dict[str, Any]
    row: Row | None = None
    keeps_attachment: bool = False


async def prepare(core: Core, principal: Principal, schema: Schema, wanted: Wanted) -> Columns:
    """Validate all of it, store the attachment, and answer the columns. Raises Invalid, UnknownJobType, TooLarge.

    The schedule's place is that of `row` while the schedule stays the same; else scheduled() sets it.
    """
    body = wanted.body
    faults = _Faults()
    ask: dict[str, Any] = {}
    with faults.noting():
        ask = load(schema, body)
    job_type = None
    with faults.noting():
        job_type = _type_of(core, body.get("type"))
    schedule = body.get("schedule")
    is_on = isinstance(schedule, dict) and schedule.get("enabled", True) is True
    args: dict[str, Any] = {}
    asked = body.get("args") or {}
    if job_type is not None and isinstance(asked, dict):
        with faults.noting():
            args = filled_in(job_type.params, asked, _former(core, wanted.row), partial=not is_on)
    attachment = body.get("attachment")
    with faults.noting():
        attached = await _attachment(core, principal, wanted, attachment, bool(faults.found))
        if is_on and job_type is not None and job_type.needs_attachment and not attached:
            raise Invalid([Fault("#/attachment", f"the job type {job_type.code} needs an attachment")])
    faults.raise_all()
    assert job_type is not None  # noqa: S101 - a fault, else
    kept = keep_args(
        core.sealer, job_type.params, args, definition_place(principal.tenant_id, wanted.definition_id)
    )
    return _columns(wanted, ask, job_type, kept, attached)


async def scheduled(
    connection: Executor, columns: Columns, definition_id: UUID, former: Row | None
) -> Columns:
    """The columns with the place of their schedule: the former one's, while that stays the same."""
    if former is not None and former["schedule"] == columns.schedule:
        place = Next(former["walked_at"], former["next_run_at"], former["next_due_at"])
    else:
        now: datetime = await connection.fetchval(NOW)
        # In a thread, since a rare time may be looked for through two hundred years.
        place = await asyncio.to_thread(next_of, schedule_of(columns.schedule), definition_id, now)
    return columns._replace(walked_at=place.walked_at, next_run_at=place.run_at, next_due_at=place.due_at)


def schedule_of(text: str | None) -> dict[str, Any] | None:
    """A schedule as it is kept (JSON), loaded."""
    return None if text is None else load(_SCHEDULE_IN, orjson.loads(text), "#/schedule")


class _Faults:
    """What was found to be wrong so far."""

    def __init__(self) -> None:
        self.found: list[Invalid] = []

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Go on after a fault."""
        try:
            yield
        except Invalid as error:
            self.found.append(error)

    def raise_all(self) -> None:
        """Raise what was found, as one."""
        if self.found:
            faults = list(dict.fromkeys(fault for one in self.found for fault in one.faults))
            raise (UnknownJobType if any(isinstance(one, UnknownJobType) for one in self.found) else Invalid)(
                faults
            )


def _type_of(core: Core, code: Any) -> JobType | None:
    """The installed type; None for what the schema refuses anyway."""
    if not isinstance(code, str):
        return None
    job_type = core.job_types.get(code)
    if job_type is None:
        installed = ", ".join(sorted(core.job_types))
        raise UnknownJobType([Fault("#/type", f"no such job type; installed are: {installed}")])
    return job_type


def _former(core: Core, row: Row | None) -> dict[str, Any] | None:
    """The args before, secrets in clear; None where there are none that can be read."""
    if row is None or row["sealed_args"] is None:
        return None
    try:
        opened = core.sealer.open(row["sealed_args"], definition_place(row["tenant_id"], row["id"]))
    except Unsealable:
        return None
    former: dict[str, Any] = orjson.loads(opened)
    return former


async def _attachment(
    core: Core,
    principal: Principal,
    wanted: Wanted,
    asked: Any,
    refused: bool,  # noqa: FBT001
) -> dict[str, Any]:
    """The attachment's columns; nothing is stored once the body is `refused`."""
    row = wanted.row
    if row is not None and wanted.keeps_attachment:
        named = {"id": "file_id", "url": "url", "name": "name", "mime_type": "mime_type"}
        kept = {name: row[f"attachment_{column}"] for name, column in named.items()}
        return kept if kept["id"] or kept["url"] else {}
    if not isinstance(asked, dict):
        return {}
    whole = load(_ATTACHMENT_IN, asked, "#/attachment")
    if row is not None and (whole["file"], whole["id"]) == (None, None):
        return renamed(row, whole)
    given = await read_attachment(whole, None, None)
    return {} if refused else await keep(core, principal, given, whole)


def _columns(
    wanted: Wanted, ask: dict[str, Any], job_type: JobType, args: Kept, attached: dict[str, Any]
) -> Columns:
    schedule = ask["schedule"]
    return Columns(
        type=job_type.code,
        name=ask["name"] or wanted.code,
        description=ask["description"],
        args=args.shown,
        sealed_args=args.sealed,
        attachment_file_id=attached.get("id"),
        attachment_url=attached.get("url"),
        attachment_name=attached.get("name"),
        attachment_mime_type=attached.get("mime_type"),
        priority=PRIORITIES.index(Priority(ask["priority"] or job_type.priority)),
        worker_tag=ask["worker_tag"] or None,
        publish_link_access_scope=ask["publish_link_access_scope"],
        timeout_seconds=ask["timeout_seconds"] or job_type.timeout_seconds,
        max_attempts=ask["max_attempts"] or job_type.max_attempts,
        labels=dumps(ask["labels"]).decode(),
        shared_with=list(dict.fromkeys(ask["shared_with"])),
        options=dumps(ask["options"]).decode(),
        schedule=None if schedule is None else dumps(schedule).decode(),
        walked_at=None,
        next_run_at=None,
        next_due_at=None,
    )
