"""The properties of jobs and documents: of each its name, its type, how PostgreSQL has it and how it is shown. Pure.

What is filtered and sorted by is `sql`, written here once for each property and never made of input; a test holds it
against what is shown. A property without it is computed: it can only be shown.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from service.dialects.aims360 import wire
from service.dialects.aims360.wire import INLINE, PUBLISHED, SCOPES, WORDS, Facts, earliest, stamped
from service.jobs.job import STATUS_TEXTS, Row
from service.jobs.orders import VISIBLE
from service.jobs.states import Status

TEXT, WHOLE, LONG, REAL, TIME = "Edm.String", "Edm.Int32", "Edm.Int64", "Edm.Double", "Edm.DateTimeOffset"
Show = Callable[[Row, Facts], Any]


@dataclass(frozen=True, slots=True)
class Property:
    """One property. `words` is a column, and of each word the values in it; `key` the columns of an id: UUID, time."""

    name: str
    sql: str | None
    show: Show
    type: str = TEXT
    nullable: bool = False
    words: tuple[str, Mapping[str, tuple[str, ...]]] | None = None
    key: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class EntitySet:
    """The entities of one kind. `columns` and `source` are their rows in SQL; `id`, a column, ends every order.

    Where none is asked for, they come by the property `newest`, the latest first.
    """

    root: str
    name: str
    key: str
    columns: str
    source: str
    id: str
    newest: str
    etag: Callable[[Row], str]
    properties: tuple[Property, ...]
    by_name: Mapping[str, Property] = field(init=False)

    def __post_init__(self) -> None:
        """Names are found in any case."""
        object.__setattr__(self, "by_name", {one.name.lower(): one for one in self.properties})

    def show(self, row: Row, facts: Facts, select: Iterable[Property] | None) -> dict[str, Any]:
        """An entity with all of its properties, or some of them."""
        shown = {one.name: one.show(row, facts) for one in select or self.properties}
        return {"@odata.etag": self.etag(row), **shown}


def _of(column: str) -> Show:
    return lambda row, _: row[column]


def _case(column: str, words: Iterable[tuple[str, str]]) -> str:
    cases = (f"WHEN '{value}' THEN '{word}'" for value, word in words)
    return f"CASE {column} {' '.join(cases)} END"


def _by_word(words: Mapping[Any, str]) -> dict[str, tuple[str, ...]]:
    return {word: tuple(str(one) for one in words if words[one] == word) for word in words.values()}


def _stamped(id_: str, time: str) -> str:
    return f"{id_}::text || '-' || to_char({time} AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISSMS')"


_WHY = "nullif(jobs.error ->> 'message', '')"
_STATUS_TEXT = f"""CASE jobs.status
WHEN 'running' THEN coalesce(nullif(jobs.status_text, ''), '{STATUS_TEXTS[Status.RUNNING]}')
WHEN 'failed' THEN coalesce({_WHY}, '{STATUS_TEXTS[Status.FAILED]}')
WHEN 'cancelled' THEN '{wire.CANCELLED}' || coalesce(': ' || {_WHY}, '')
ELSE {_case("jobs.status", STATUS_TEXTS.items())} END"""
_RESPONSE_TYPE = f"""CASE WHEN jobs.response_type = 'publish_link' OR (jobs.terminated_at IS NULL AND EXISTS (
SELECT FROM links WHERE links.job_id = jobs.id AND links.output_id IS NULL)) THEN '{PUBLISHED}' ELSE '{INLINE}' END"""
# `told` are the installed types, which only this process knows.
_DESCRIPTION = (
    """coalesce(asked.description, (SELECT told.description FROM told WHERE told.type = jobs.type))"""
)
_SCOPE = "asked.publish_link_access_scope"
_PURGE = f"coalesce(jobs.purge_at, jobs.created_at + interval '{wire.KEPT.days} days')"

JOBS = EntitySet(
    root=wire.JOBS,
    name="backgroundjob",
    key="jobID",
    columns="jobs.id, jobs.version",
    source=f"""FROM jobs LEFT JOIN job_requests AS asked ON asked.job_id = jobs.id
LEFT JOIN tenants ON tenants.id = jobs.tenant_id
WHERE {VISIBLE}""",
    id="jobs.id",
    newest="createdDate",
    etag=lambda row: f'W/"{row["version"]}"',
    properties=(
        Property("categoryName", "asked.category", _of("category"), nullable=True),
        Property("subCategoryName", "asked.sub_category", _of("sub_category"), nullable=True),
        Property(
            "jobDescription",
            _DESCRIPTION,
            lambda row, facts: (
                row["description"] if row["description"] is not None else facts.descriptions.get(row["type"])
            ),
            nullable=True,
        ),
        Property("clientRequestId", "asked.client_request_id", _of("client_request_id"), nullable=True),
        Property(
            "jobStatus",
            _case("jobs.status", WORDS.items()),
            lambda row, _: WORDS[Status(row["status"])],
            words=("jobs.status", _by_word(WORDS)),
        ),
        Property("jobStatusText", _STATUS_TEXT, wire.status_text),
        Property("publishLink", None, wire.publish_link, nullable=True),
        Property("requestURL", None, wire.request_url),
        Property(
            "publishLinkAccessScope",
            _case(_SCOPE, SCOPES.items()),
            lambda row, _: SCOPES[row["publish_link_access_scope"]],
            words=(_SCOPE, _by_word(SCOPES)),
        ),
        Property("percentCompleted", "jobs.percent_completed", _of("percent_completed"), WHOLE),
        Property(
            "jobID",
            _stamped("jobs.id", "jobs.created_at"),
            lambda row, _: stamped(row["id"], row["created_at"]),
            key=("jobs.id", "jobs.created_at"),
        ),
        Property("responseType", _RESPONSE_TYPE, wire.response_type),
        Property("response", None, wire.response, nullable=True),
        Property("startDate", "jobs.started_at", _of("started_at"), TIME, nullable=True),
        Property("completedDate", "jobs.terminated_at", _of("terminated_at"), TIME, nullable=True),
        Property(
            "purgeDateTime", _PURGE, lambda row, _: row["purge_at"] or row["created_at"] + wire.KEPT, TIME
        ),
        Property("clientID", "upper(tenants.public_id::text)", lambda _, facts: str(facts.client).upper()),
        Property("DatabaseName", "tenants.database_name", lambda _, facts: facts.database, nullable=True),
        Property("accountCode", "tenants.account_code", lambda _, facts: facts.account, nullable=True),
        Property(
            "canReRun",
            "CASE WHEN asked.can_rerun THEN 'Yes' ELSE 'No' END",
            lambda row, _: "Yes" if row["can_rerun"] else "No",
        ),
        Property("createdBy", "jobs.created_by", _of("created_by")),
        Property("createdDate", "jobs.created_at", _of("created_at"), TIME),
        Property("modifiedBy", "asked.modified_by", _of("modified_by")),
        Property("modifiedDate", "jobs.updated_at", _of("updated_at"), TIME),
    ),
)

# Capitals of ASCII alone, as PostgreSQL and Python agree on them.
_TYPE = r"""upper(coalesce(substring(files.name FROM '.\.([^.]+)$'), '') COLLATE "C")"""

DOCUMENTS = EntitySet(
    root=wire.DOCUMENTS,
    name="aimsdocument",
    key="documentGUID",
    columns="""outputs.id, outputs.created_at, outputs.expires_at, files.name, files.size,
links.scope, links.expires_at AS link_expires_at""",
    source=f"""FROM jobs JOIN outputs ON outputs.job_id = jobs.id AND outputs.run = jobs.run
JOIN files ON files.id = outputs.file_id JOIN links ON links.job_id = jobs.id AND links.output_id IS NULL
WHERE outputs.tenant_id = $1 AND {VISIBLE}""",
    id="outputs.id",
    newest="lastUploaded",
    etag=lambda row: f'W/"{row["id"].hex}"',
    properties=(
        Property(
            "documentGUID",
            _stamped("outputs.id", "outputs.created_at"),
            lambda row, _: stamped(row["id"], row["created_at"]),
            key=("outputs.id", "outputs.created_at"),
        ),
        Property(
            "accessScope",
            _case("links.scope", ((scope, word.upper()) for scope, word in SCOPES.items())),
            lambda row, _: SCOPES[row["scope"]].upper(),
        ),
        Property("documentName", "files.name", _of("name")),
        Property("fileType", _TYPE, lambda row, _: wire.file_type(row["name"])),
        Property("category", "'backgroundJob'::text", lambda _, __: "backgroundJob"),
        Property("title", "files.name", _of("name")),
        Property("description", "files.name", _of("name")),
        Property(
            "downloadUri",
            None,
            lambda row, facts: wire.document_link(facts, row["id"], row["created_at"], row["scope"]),
        ),
        Property("fileSize", "files.size", _of("size"), LONG),
        Property(
            "fileSizeInMB", "(files.size / 1048576.0)::float8", lambda row, _: row["size"] / wire.MIB, REAL
        ),
        Property("lastUploaded", "outputs.created_at", _of("created_at"), TIME),
        Property(
            "expiryDate",
            "least(outputs.expires_at, links.expires_at)",
            lambda row, _: earliest(row["expires_at"], row["link_expires_at"]),
            TIME,
            nullable=True,
        ),
    ),
)
