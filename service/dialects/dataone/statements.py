"""The statements of the list of jobs: one for each order, over the same filters.

Each page goes on after the key of the row before it, $24 and the following; nulls for the first one. As those of
service/jobs/orders.py they are planned anew with their values each time, so a filter that is not asked for costs
nothing, and what is left decides the index: `id`, `createdAt` and `submittedBy` have one that gives their order too;
`status` and the facts of types have one in parts. What has no other key is ordered by creation, so that every order is
a total one.
"""

from dataclasses import dataclass

from service.dialects.dataone import wire
from service.jobs.by_value import GREATEST, LEAST
from service.jobs.orders import VISIBLE

_CONTRACT = "coalesce(jobs.definition, jobs.type)"
_JOBS = "FROM jobs JOIN job_requests AS asked ON asked.job_id = jobs.id"
_SHOWN = """
SELECT jobs.id, jobs.number, jobs.type, jobs.definition, jobs.queue, jobs.status, jobs.status_text, jobs.error,
       jobs.worker_id, jobs.created_by, jobs.created_at, jobs.updated_at, asked.labels, asked.correlation_id,
       asked.idempotency_key, asked.root_id, asked.action, asked.is_scheduled"""
_WHERE = f"""
WHERE {VISIBLE}
  AND ($5::bigint IS NULL OR jobs.number = $5)
  AND ($6::uuid IS NULL OR jobs.id = $6)
  AND ($7::text IS NULL OR jobs.status = $7)
  AND ($8::text IS NULL OR jobs.queue = $8)
  AND ($9::text IS NULL OR jobs.definition = $9 OR (jobs.definition IS NULL AND jobs.type = $9))
  AND ($10::text[] IS NULL OR
       CASE cardinality($10) WHEN 1 THEN jobs.type = ($10)[1] ELSE jobs.type = ANY ($10) END)
  AND ($11::timestamptz IS NULL OR jobs.created_at >= $11)
  AND ($12::timestamptz IS NULL OR jobs.created_at <= $12)
  AND ($13::timestamptz IS NULL OR jobs.updated_at >= $13)
  AND ($14::timestamptz IS NULL OR jobs.updated_at <= $14)
  AND ($15::text IS NULL OR CASE $15 WHEN '' THEN asked.idempotency_key IS NULL ELSE asked.idempotency_key = $15 END)
  AND ($16::text IS NULL OR jobs.created_by = $16)
  AND ($17::uuid IS NULL OR (coalesce(asked.root_id, jobs.id) = $17 AND jobs.id = ANY (ARRAY(
        SELECT $17 UNION ALL SELECT job_id FROM job_requests WHERE tenant_id = $1 AND root_id = $17))))
  AND ($18::text IS NULL OR (coalesce(nullif(asked.correlation_id, ''), jobs.id::text) = $18 AND jobs.id = ANY (ARRAY(
        SELECT $19::uuid UNION ALL SELECT job_id FROM job_requests WHERE tenant_id = $1 AND correlation_id = $18))))
  AND ($20::text IS NULL OR coalesce(jobs.worker_id, '') = $20)
  AND ($21::text IS NULL OR coalesce(asked.action, '{wire.RUN}') = $21)
  AND ($22::bool IS NULL OR (jobs.definition IS NOT NULL) = $22)
  AND ($23::bool IS NULL OR asked.is_scheduled = $23)"""

FILTERS = (
    "number", "id", "status", "queue", "contract", "types", "created_from", "created_to", "updated_from", "updated_to",
    "key", "created_by", "root_id", "correlation_id", "correlated_id", "worker_id", "action", "has_definition",
    "is_scheduled",
)  # fmt: skip
"""What $5 and the following are."""

BY_ID_DOWN = f"""{_SHOWN} {_JOBS} {_WHERE} AND ($24::bigint IS NULL OR jobs.number < $24)
ORDER BY jobs.number DESC LIMIT $2"""
BY_ID = f"""{_SHOWN} {_JOBS} {_WHERE} AND ($24::bigint IS NULL OR jobs.number > $24)
ORDER BY jobs.number LIMIT $2"""

NEWEST = f"""{_SHOWN} {_JOBS} {_WHERE}
AND ($24::timestamptz IS NULL OR (jobs.created_at, jobs.id) < ($24, $25::uuid))
ORDER BY jobs.created_at DESC, jobs.id DESC LIMIT $2"""
OLDEST = f"""{_SHOWN} {_JOBS} {_WHERE}
AND ($24::timestamptz IS NULL OR (jobs.created_at, jobs.id) > ($24, $25::uuid))
ORDER BY jobs.created_at, jobs.id LIMIT $2"""

LATELY_UPDATED = f"""{_SHOWN} {_JOBS} {_WHERE}
AND ($24::timestamptz IS NULL OR (jobs.updated_at, jobs.id) < ($24, $25::uuid))
ORDER BY jobs.updated_at DESC, jobs.id DESC LIMIT $2"""
LONG_UNCHANGED = f"""{_SHOWN} {_JOBS} {_WHERE}
AND ($24::timestamptz IS NULL OR (jobs.updated_at, jobs.id) > ($24, $25::uuid))
ORDER BY jobs.updated_at, jobs.id LIMIT $2"""

BY_SUBMITTER_DOWN = f"""{_SHOWN}, jobs.created_by AS key {_JOBS} {_WHERE}
AND ($24::text IS NULL OR (jobs.created_by, jobs.created_at, jobs.id) < ($24, $25::timestamptz, $26::uuid))
ORDER BY jobs.created_by DESC, jobs.created_at DESC, jobs.id DESC LIMIT $2"""
BY_SUBMITTER = f"""{_SHOWN}, jobs.created_by AS key {_JOBS} {_WHERE}
AND ($24::text IS NULL OR (jobs.created_by, jobs.created_at, jobs.id) > ($24, $25::timestamptz, $26::uuid))
ORDER BY jobs.created_by, jobs.created_at, jobs.id LIMIT $2"""

BY_QUEUE_DOWN = f"""{_SHOWN}, jobs.queue AS key {_JOBS} {_WHERE}
AND ($24::text IS NULL OR (jobs.queue, jobs.created_at, jobs.id) < ($24, $25::timestamptz, $26::uuid))
ORDER BY jobs.queue DESC, jobs.created_at DESC, jobs.id DESC LIMIT $2"""
BY_QUEUE = f"""{_SHOWN}, jobs.queue AS key {_JOBS} {_WHERE}
AND ($24::text IS NULL OR (jobs.queue, jobs.created_at, jobs.id) > ($24, $25::timestamptz, $26::uuid))
ORDER BY jobs.queue, jobs.created_at, jobs.id LIMIT $2"""

BY_CONTRACT_DOWN = f"""{_SHOWN}, {_CONTRACT} AS key {_JOBS} {_WHERE}
AND ($24::text IS NULL OR ({_CONTRACT}, jobs.created_at, jobs.id) < ($24, $25::timestamptz, $26::uuid))
ORDER BY {_CONTRACT} DESC, jobs.created_at DESC, jobs.id DESC LIMIT $2"""
BY_CONTRACT = f"""{_SHOWN}, {_CONTRACT} AS key {_JOBS} {_WHERE}
AND ($24::text IS NULL OR ({_CONTRACT}, jobs.created_at, jobs.id) > ($24, $25::timestamptz, $26::uuid))
ORDER BY {_CONTRACT}, jobs.created_at, jobs.id LIMIT $2"""

_STATUSES = ", ".join(f"('{status}', '{word}')" for status, word in wire.WORDS.items())
_OF_STATUSES = f"(VALUES {_STATUSES})", "jobs.status", "$7::text IS NULL OR one.value = $7"
# Facts of types are known to the code alone, so they come with the question.
_OF_TYPES = "unnest($27::text[], $28::bigint[])", "jobs.type", "$10::text[] IS NULL OR one.value = ANY ($10)"
_NAMED = "unnest($27::text[], $28::text[])", *_OF_TYPES[1:]


def _by_fact(of: tuple[str, str, str], kind: str, *, down: bool) -> str:
    """Ordered by a fact of each value of a column: its word, number or name.

    No index knows the facts; that of the column has the jobs of each value in order. So a page of each is merged, from
    where the page before ended among those with its fact. One bound on each side: see service/jobs/by_value.py.
    """
    values, column, asked = of
    way, beyond, within = ("DESC", "<", ">=") if down else ("ASC", ">", "<=")
    far, near, last = ("infinity", "-infinity", GREATEST) if down else ("-infinity", "infinity", LEAST)
    return f"""
SELECT found.* FROM {values} AS one(value, fact) CROSS JOIN LATERAL (
{_SHOWN}, one.fact AS key {_JOBS} {_WHERE}
  AND ({column}, jobs.created_at) {within} (one.value, '{near}'::timestamptz)
  AND ({column}, jobs.created_at, jobs.id) {beyond} (
       one.value, CASE WHEN one.fact = $24::{kind} THEN $25::timestamptz ELSE '{far}' END,
       CASE WHEN one.fact = $24 THEN $26::uuid ELSE '{last}' END)
ORDER BY {column} {way}, jobs.created_at {way}, jobs.id {way} LIMIT $2) AS found
WHERE ($24 IS NULL OR one.fact {beyond}= $24) AND ({asked})
ORDER BY found.key {way}, found.created_at {way}, found.id {way} LIMIT $2"""


BY_STATUS_DOWN = _by_fact(_OF_STATUSES, "text", down=True)
BY_STATUS = _by_fact(_OF_STATUSES, "text", down=False)
BY_NUMBER_OF_TYPE_DOWN = _by_fact(_OF_TYPES, "bigint", down=True)
BY_NUMBER_OF_TYPE = _by_fact(_OF_TYPES, "bigint", down=False)
BY_NAME_OF_TYPE_DOWN = _by_fact(_NAMED, "text", down=True)
BY_NAME_OF_TYPE = _by_fact(_NAMED, "text", down=False)


@dataclass(frozen=True, slots=True)
class Order:
    """A statement, and the columns that say where one of its pages ended; `fact` is the one of types that it needs."""

    statement: str
    columns: tuple[str, ...]
    fact: str | None = None


_TIME, _KEY = ("created_at", "id"), ("key", "created_at", "id")
_UPDATED = ("updated_at", "id")

ORDERS = {
    "-id": Order(BY_ID_DOWN, ("number",)),
    "id": Order(BY_ID, ("number",)),
    "-status": Order(BY_STATUS_DOWN, _KEY),
    "status": Order(BY_STATUS, _KEY),
    "-queue": Order(BY_QUEUE_DOWN, _KEY),
    "queue": Order(BY_QUEUE, _KEY),
    "-contract": Order(BY_CONTRACT_DOWN, _KEY),
    "contract": Order(BY_CONTRACT, _KEY),
    "-workflowTemplateId": Order(BY_NUMBER_OF_TYPE_DOWN, _KEY, "id"),
    "workflowTemplateId": Order(BY_NUMBER_OF_TYPE, _KEY, "id"),
    "-workflowTemplateName": Order(BY_NAME_OF_TYPE_DOWN, _KEY, "name"),
    "workflowTemplateName": Order(BY_NAME_OF_TYPE, _KEY, "name"),
    "-workflowTemplateRevision": Order(BY_NUMBER_OF_TYPE_DOWN, _KEY, "revision"),
    "workflowTemplateRevision": Order(BY_NUMBER_OF_TYPE, _KEY, "revision"),
    "-submittedBy": Order(BY_SUBMITTER_DOWN, _KEY),
    "submittedBy": Order(BY_SUBMITTER, _KEY),
    "-createdAt": Order(NEWEST, _TIME),
    "createdAt": Order(OLDEST, _TIME),
    "-updatedAt": Order(LATELY_UPDATED, _UPDATED),
    "updatedAt": Order(LONG_UNCHANGED, _UPDATED),
}

TYPES_IN_USE = "SELECT DISTINCT type FROM job_tallies WHERE tenant_id = $1"
"""Those of all jobs of a tenant, be they installed or not."""
