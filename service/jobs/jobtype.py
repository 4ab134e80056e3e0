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
import re
import traceback
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import entry_points
from typing import Any

from marshmallow import Schema

from service.jobs.states import Priority

ENTRY_POINTS = "lavori.job_types"
CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
"""What a code may be: it stands in paths, filters, metrics and Redis."""


class JobTypesError(ValueError):
    """What is installed cannot all be loaded. The text is a sentence for the operator, and names the culprit."""


class JobFailed(Exception):
    """Raised by a job type: the try has failed. `message` is shown to people; `retryable` lets another try follow.

    `retry_after` is how many seconds that one waits at least, an hour at most; else the type's pause alone counts.
    """

    def __init__(
        self, code: str, message: str, *, retryable: bool = False, retry_after: float | None = None
    ) -> None:
        self.code, self.message, self.retryable, self.retry_after = code, message, retryable, retry_after
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class AttachmentRule:
    """What a type takes as its attachment."""

    required: bool = False
    mime_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class JobType:
    """One installed type. `run` gets a JobContext; `timeout_seconds` and `max_attempts` are defaults of its jobs.

    `revision` counts what became of it: from 1, and one more with each change that its users should know of.
    """

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
    revision: int = 1

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
    """The installed types by code. Raises JobTypesError for two of one code, and for a code that can't be one."""

    def __init__(self, types: Sequence[JobType]) -> None:
        self._by_code: dict[str, JobType] = {}
        for one in types:
            if not CODE.fullmatch(one.code):
                raise JobTypesError(f"the job type {one.code!r} has a code that is not {CODE.pattern}")
            if one.code in self._by_code:
                raise JobTypesError(f"two job types have the code {one.code}")
            self._by_code[one.code] = one

    def __getitem__(self, code: str) -> JobType:
        return self._by_code[code]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_code)

    def __len__(self) -> int:
        return len(self._by_code)


def load_job_types(extra_modules: Sequence[str] = ()) -> JobTypes:
    """Load all types: entry points of every installed package, and each JobType in the modules of JOB_TYPES.

    Raises JobTypesError when one cannot be loaded, is none, or has another's code.
    """
    found: dict[int, JobType] = {}
    origins: dict[str, str] = {}

    def add(one: JobType, origin: str) -> None:
        if id(one) not in found and one.code in origins:
            raise JobTypesError(
                f"two job types have the code {one.code}: that of {origins[one.code]} and that of {origin}"
            )
        found[id(one)] = one
        origins.setdefault(one.code, origin)

    for point in entry_points(group=ENTRY_POINTS):
        package = point.dist.name if point.dist else "?"
        origin = f"the package {package} (entry point {point.name} = {point.value})"
        one = _imported(point.load, origin)
        if not isinstance(one, JobType):
            raise JobTypesError(f"{origin} is no job type: it is of the class {type(one).__name__}")
        add(one, origin)
    for name in extra_modules:
        origin = f"the module {name} of JOB_TYPES"
        module = _imported(partial(importlib.import_module, name), origin)
        for value in vars(module).values():
            if isinstance(value, JobType):
                add(value, origin)
    return JobTypes(list(found.values()))


def _imported(load: Callable[[], Any], origin: str) -> Any:
    """What `load` gives; whatever a foreign module raises becomes a sentence with the line that raised it."""
    try:
        return load()
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        told = " ".join(f"{type(error).__name__}: {error}".split())
        raise JobTypesError(
            f"{origin} cannot be loaded: {told} ({last.filename}, line {last.lineno})"
        ) from error
