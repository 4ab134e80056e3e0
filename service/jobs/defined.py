"""Jobs that are made from a definition: what they copy of it.

A definition is a stored request. What a submission says itself goes before what the definition says; args and labels
are merged. The job has it all then: what becomes of the definition later does not touch it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from service.access.principal import Permission, Principal
from service.db.batch import Batcher
from service.db.connection import Executor
from service.jobs.job import Row
from service.jobs.merge import merge_patch
from service.jobs.states import PRIORITIES
from service.sealing import Sealer

Named = tuple[int, str]
"""A tenant, and the code of one of its definitions."""

DEFINITIONS = """
SELECT definition.id, definition.tenant_id, definition.code, definition.type, definition.description, definition.args,
       definition.sealed_args, definition.priority, definition.worker_tag, definition.publish_link_access_scope,
       definition.timeout_seconds, definition.max_attempts, definition.labels, definition.options,
       definition.shared_with, definition.created_by, definition.attachment_file_id, definition.attachment_url,
       definition.attachment_name, definition.attachment_mime_type,
       files.size AS attachment_size, files.sha256 AS attachment_sha256
FROM unnest($1::int[], $2::text[]) AS wanted(tenant_id, code)
JOIN job_definitions AS definition ON (definition.tenant_id, definition.code) = (wanted.tenant_id, wanted.code)
LEFT JOIN files ON files.id = definition.attachment_file_id
"""

_COPIED = (
    "type",
    "description",
    "worker_tag",
    "publish_link_access_scope",
    "timeout_seconds",
    "max_attempts",
)


def definition_place(tenant_id: int, definition_id: UUID) -> str:
    """What the args of a definition are sealed for: they can't be opened as those of anything else."""
    return f"args of definition {definition_id} of tenant {tenant_id}"


def may_see(principal: Principal, created_by: str, shared_with: list[str]) -> bool:
    """Whether a definition of the tenant is visible: one's own, one shared with one, or any to who sees all."""
    return (
        principal.owns(created_by, shared_with)
        or principal.may(Permission.JOBS_READ_ALL)
        or principal.may(Permission.DEFINITIONS_WRITE_ALL)
    )


@dataclass(frozen=True, slots=True)
class Definition:
    """A definition, a row of DEFINITIONS, as the jobs that are made from it see it."""

    row: Row

    @property
    def code(self) -> str:
        """Its code."""
        return str(self.row["code"])

    @property
    def options(self) -> str | None:
        """JSON: who is told of the ends of its jobs."""
        return None if self.row["options"] == "{}" else str(self.row["options"])

    def completed(self, body: Mapping[str, Any], sealer: Sealer) -> dict[str, Any]:
        """A creation body with what it leaves to the definition, secret args in clear. Raises Unsealable."""
        stored = {name: self.row[name] for name in _COPIED}
        stored["priority"] = PRIORITIES[self.row["priority"]]
        whole = stored | {name: value for name, value in body.items() if value is not None}
        for name, kept in (("args", self._args(sealer)), ("labels", self.row["labels"])):
            asked = body.get(name)
            if asked is None or isinstance(asked, dict):
                whole[name] = merge_patch(orjson.loads(kept), asked or {})
        return whole

    def attached(self) -> dict[str, Any]:
        """Its attachment, as attach.keep gives one; empty without."""
        if self.row["attachment_file_id"] is None and self.row["attachment_url"] is None:
            return {}
        names = {"id": "file_id", "url": "url", "name": "name", "mime_type": "mime_type", "size": "size"}
        return {name: self.row[f"attachment_{column}"] for name, column in names.items()} | {
            "sha256": self.row["attachment_sha256"]
        }

    def _args(self, sealer: Sealer) -> str:
        sealed = self.row["sealed_args"]
        if sealed is None:
            return str(self.row["args"])
        return sealer.open(sealed, definition_place(self.row["tenant_id"], self.row["id"]))


async def definitions_named(connection: Executor, wanted: Sequence[Named]) -> list[Row | None]:
    """Definitions by tenant and code, in order; None where there is none."""
    once = set(wanted)  # many may ask for the same one
    rows = await connection.fetch(DEFINITIONS, *zip(*once, strict=True))
    found = {(row["tenant_id"], row["code"]): row for row in rows}
    return [found.get(one) for one in wanted]


async def definition_of(
    defining: Batcher[Named, Row | None], principal: Principal, code: str
) -> Definition | None:
    """The tenant's definition of this code, if the caller may see it."""
    if "\0" in code:  # which PostgreSQL can't take
        return None
    row = await defining.put((principal.tenant_id, code))
    if row is None or not may_see(principal, row["created_by"], row["shared_with"]):
        return None
    return Definition(row)
