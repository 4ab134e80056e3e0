"""What a job type is: a params schema, a coroutine, and a few facts. One short file each, here or in any package.

    from marshmallow import Schema, fields
    from service.jobs.jobtype import job_type

    class Params(Schema):
        name = fields.String(required=True)

    @job_type("greet", params=Params, name="Greet")
    async def greet(job):
        job.progress(50, "half way")
        return f"Hello, {job.args['name']}"

The coroutine gets a `workers.context.JobContext` and returns its output: None, a text, or anything that JSON can hold;
or it raises `JobFailed`. A package offers its types as entry points of the group `lavori.job_types`.
"""

import importlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any

from marshmallow import Schema

from service.jobs.states import Priority

ENTRY_POINTS = "lavori.job_types"


class JobFailed(Exception):
    """Raised by a job type: the try has failed. `message` is shown to people; `retryable` lets another try follow."""

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        self.code, self.message, self.retryable = code, message, retryable
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class AttachmentRule:
    """What a type takes as its attachment."""

    required: bool = False
    mime_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class JobType:
    """One installed type. `run` gets a JobContext; `timeout_seconds` and `max_attempts` are defaults of its jobs."""

    code: str
    name: str
    description: str
    params: Schema
    run: Callable[[Any], Awaitable[Any]]
    category: str | None = None
    sub_category: str | None = None
    attachment: AttachmentRule | None = None
    available_formats: tuple[str, ...] = ()
    priority: Priority = Priority.DEFAULT
    timeout_seconds: int = 3600
    max_attempts: int = 1
    can_rerun: bool = True
    retry_seconds: float = 2.0
    example: Mapping[str, Any] = field(default_factory=dict)

    @property
    def needs_attachment(self) -> bool:
        """Whether a job without an attachment is refused."""
        return self.attachment is not None and self.attachment.required


def job_type(
    code: str, *, params: type[Schema], **facts: Any
) -> Callable[[Callable[[Any], Awaitable[Any]]], JobType]:
    """Make a JobType of a coroutine; its docstring is the description. `facts` are JobType's other fields."""

    def decorate(run: Callable[[Any], Awaitable[Any]]) -> JobType:
        facts.setdefault("name", code)
        facts.setdefault("description", " ".join((run.__doc__ or "").split()))
        return JobType(code=code, params=params(), run=run, **facts)

    return decorate


class JobTypes(Mapping[str, JobType]):
    """The installed types by code; two of one code are refused."""

    def __init__(self, types: Sequence[JobType]) -> None:
        self._by_code: dict[str, JobType] = {}
        for one in types:
            if one.code in self._by_code:
                message = f"two job types have the code {one.code}"
                raise ValueError(message)
            self._by_code[one.code] = one

    def __getitem__(self, code: str) -> JobType:
        return self._by_code[code]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_code)

    def __len__(self) -> int:
        return len(self._by_code)


def load_job_types(extra_modules: Sequence[str] = ()) -> JobTypes:
    """Load all types: entry points of every installed package, and each JobType in the modules of JOB_TYPES."""
    found = {id(one): one for one in (point.load() for point in entry_points(group=ENTRY_POINTS))}
    for name in extra_modules:
        for value in vars(importlib.import_module(name)).values():
            if isinstance(value, JobType):
                found[id(value)] = value
    return JobTypes(list(found.values()))
