"""What must hold of a submission, part by part, and all that is wrong with one that is refused."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from service.access.principal import Principal
from service.errors import Fault, Invalid, UnknownJobType
from service.files.upload import Upload
from service.jobs.attach import Given, keep, read_attachment
from service.jobs.core import Core
from service.jobs.defined import Definition
from service.jobs.jobtype import JobType
from service.jobs.schemas import AttachmentIn, JobIn
from service.jobs.secret_args import filled_in, has_secrets
from service.web.payload import load

JOB_IN, _ATTACHMENT_IN = JobIn(), AttachmentIn()


def type_of(
    job_types: Mapping[str, JobType], code: str | None, asked: str | None, definition: Definition | None
) -> JobType:
    """The installed type; `asked` is the code of the definition. Raises UnknownJobType, Invalid."""
    if asked is not None and definition is None:
        raise Invalid([Fault("#/definition", "no such job definition")])
    if code is None:
        raise Invalid([Fault("#/type", "Missing data for required field.")])
    if definition is not None and code != definition.row["type"]:
        raise Invalid([Fault("#/type", f"the definition's type is {definition.row['type']}")])
    job_type = job_types.get(code)
    if job_type is None:
        installed = ", ".join(sorted(job_types))
        raise UnknownJobType([Fault("#/type", f"no such job type; installed are: {installed}")])
    return job_type


async def read_given(
    asked: dict[str, Any] | None,
    upload: Upload | None,
    job_type: JobType | None,
    definition: Definition | None,
) -> Given:
    """What attach.read_attachment answers; None also where the definition's attachment is taken."""
    if asked is None and upload is None and definition is not None and definition.attached():
        return None
    return await read_attachment(asked, upload, job_type)


def key_of(field: str | None, header: str | None) -> str | None:
    """The idempotency key: of the header or of the body, and the same where both are given."""
    if header is not None and not (1 <= len(header) <= 64 and header.isascii() and header.isprintable()):  # noqa: PLR2004
        raise Invalid(
            [Fault("#/idempotency_key", "Idempotency-Key must be 1 to 64 printable ASCII characters")]
        )
    if header is not None and field not in (None, header):
        raise Invalid([Fault("#/idempotency_key", "differs from the header Idempotency-Key")])
    return header if header is not None else field


def load_args(job_type: JobType, args: dict[str, Any]) -> None:
    """Raise Invalid for args that the type does not take, and for a `***`, which is no secret."""
    if has_secrets(job_type.params):
        filled_in(job_type.params, args)
    else:
        load(job_type.params, args, "#/args")


async def all_faults(
    core: Core,
    principal: Principal,
    body: Any,
    key_in_header: str | None,
    upload: Upload | None,
    definition: Definition | None,
    first: Invalid,
) -> Invalid:
    """Everything that is wrong with a submission that is refused: each part is looked at, whatever the others are."""
    if not isinstance(body, dict):
        return first
    found: list[Invalid] = []

    @contextmanager
    def noting() -> Iterator[None]:
        try:
            yield
        except Invalid as error:
            found.append(error)

    with noting():
        load(JOB_IN, body)
    code, named, args, key, attachment = (
        body.get(name) for name in ("type", "definition", "args", "idempotency_key", "attachment")
    )
    job_type = None
    if isinstance(code, str | None) and isinstance(named, str | None):
        with noting():
            job_type = type_of(core.job_types, code, named, definition)
    if job_type and ("args" not in body or isinstance(args, dict)):
        with noting():
            load_args(job_type, args or {})
    if isinstance(key, str | None):
        with noting():
            key_of(key, key_in_header)
    with noting():
        known = _ATTACHMENT_IN.fields.keys()
        asked = None
        if isinstance(attachment, dict):
            whole = {name: value for name, value in attachment.items() if name in known}
            asked = load(_ATTACHMENT_IN, whole, "#/attachment")
        given = await read_given(asked, upload, job_type, definition)
        if isinstance(given, UUID):
            await keep(core, principal, given, asked)
    faults = list(dict.fromkeys(fault for one in found for fault in one.faults))
    kind = UnknownJobType if any(isinstance(one, UnknownJobType) for one in found) else Invalid
    return kind(faults)
