"""What a caller asked to see of jobs: `fields`, and `include`."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from marshmallow import fields, validate

from service.web.encoding import dumps, fragment

FIELDS = (
    "id", "number", "version", "type", "definition", "status", "status_text", "percent_completed", "running_output",
    "attachment", "args", "output", "response_type", "outputs", "publish_link", "publish_link_access_scope",
    "publish_link_expires_at", "description", "category", "sub_category", "priority", "worker_tag", "queue", "labels",
    "client_request_id", "correlation_id", "idempotency_key", "run", "attempt", "max_attempts", "timeout_seconds",
    "can_rerun", "cancel_requested", "error", "created_by", "modified_by", "run_at", "expires_at", "started_at",
    "terminated_at", "created_at", "updated_at", "purge_at",
)  # fmt: skip
"""Every member of a job."""

INCLUDED = 100
"""At most so many attempts and messages are included, the latest; all of them are at /attempts and /messages."""
INCLUDED_IN_LISTS = 10


def fields_in() -> fields.List[str]:
    """The query parameter `fields`."""
    return fields.List(
        fields.String(validate=validate.OneOf(FIELDS, error="a job has no {input}; it has {choices}")),
        load_default=None,
        data_key="fields",
    )


def include_in() -> fields.List[str]:
    """The query parameter `include`."""
    return fields.List(fields.String(validate=validate.OneOf(["messages", "attempts"])), load_default=None)


def only(body: bytes, names: Sequence[str]) -> bytes:
    """The named members of a rendered job."""
    job = orjson.loads(body)
    return dumps({name: job[name] for name in names})


LATEST_MESSAGES = """
SELECT wanted.id, said.seq, said.time, said.level, said.text, said.tool_id
FROM unnest($1::uuid[]) AS wanted(id)
CROSS JOIN LATERAL (
    SELECT seq, time, level, text, tool_id FROM job_messages WHERE job_id = wanted.id ORDER BY seq DESC LIMIT $2
) AS said
ORDER BY wanted.id, said.seq
"""

LATEST_ATTEMPTS = """
SELECT wanted.id, tried.*
FROM unnest($1::uuid[]) AS wanted(id)
CROSS JOIN LATERAL (
    SELECT run, attempt, claim, worker, started_at, ended_at, outcome, error FROM attempts WHERE job_id = wanted.id
    UNION ALL
    SELECT run, attempt, claim, worker_id, claimed_at, NULL, NULL, NULL FROM jobs
    WHERE jobs.id = wanted.id AND status = 'running'
    ORDER BY claim DESC LIMIT $2
) AS tried
ORDER BY wanted.id, tried.claim
"""


async def with_included(
    connection: asyncpg.Pool, bodies: Mapping[UUID, bytes], include: Sequence[str], most: int
) -> dict[UUID, bytes]:
    """The bodies by id, each with `messages` or `attempts` added: the latest `most`, oldest first."""
    parts: dict[UUID, list[bytes]] = {job_id: [body[:-1]] for job_id, body in bodies.items()}
    for name, statement in (("messages", LATEST_MESSAGES), ("attempts", LATEST_ATTEMPTS)):
        if name in include:
            found: dict[UUID, list[dict[str, Any]]] = {job_id: [] for job_id in bodies}
            for row in await connection.fetch(statement, list(bodies), most):
                one = dict(row)
                if name == "attempts":
                    one["error"] = fragment(one["error"])
                found[one.pop("id")].append(one)
            for job_id, rows in found.items():
                parts[job_id].append(b'"%b":%b' % (name.encode(), dumps(rows)))
    return {job_id: b",".join(pieces) + b"}" for job_id, pieces in parts.items()}
