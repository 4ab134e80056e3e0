"""The statements of GET /api/jobs: one for each order, over the same filters.

Each page goes on after the key of the row before it, so the rows that were shown are never read again. The columns of
`columns` are that key; without one (nulls) the page is the first.

These statements are planned anew with their values each time (listing.PLAN): a filter that is not asked for is
`NULL IS NULL`, which the planner drops, and what is left decides the index. That also removes the join, unless a filter
is on job_requests. A single value is compared by `=`, since only then an index on it gives the order too.
"""

from dataclasses import dataclass

# Who asks: $1 is the tenant, $3 a principal that may not see all of its jobs, $4 the definitions shared with them.
VISIBLE = """jobs.tenant_id = $1
  AND ($3::text IS NULL OR jobs.created_by = $3
       OR ($4::text[] IS NOT NULL AND jobs.definition = ANY ($4) AND EXISTS (
             SELECT FROM job_definitions AS shared
             WHERE (shared.tenant_id, shared.code) = (jobs.tenant_id, jobs.definition)
               AND shared.created_at <= jobs.created_at)))  -- not of a former definition of that code"""
_KEYS = "SELECT jobs.id, jobs.version, jobs.created_at"
_FOUND = f"""
FROM jobs LEFT JOIN job_requests AS asked ON asked.job_id = jobs.id
WHERE {VISIBLE}
  AND ($5::text[] IS NULL OR CASE cardinality($5) WHEN 1 THEN jobs.status = ($5)[1] ELSE jobs.status = ANY ($5) END)
  AND ($6::text[] IS NULL OR CASE cardinality($6) WHEN 1 THEN jobs.type = ($6)[1] ELSE jobs.type = ANY ($6) END)
  AND ($7::text[] IS NULL OR
       CASE cardinality($7) WHEN 1 THEN jobs.definition = ($7)[1] ELSE jobs.definition = ANY ($7) END)
  AND ($8::text[] IS NULL OR
       CASE cardinality($8) WHEN 1 THEN jobs.created_by = ($8)[1] ELSE jobs.created_by = ANY ($8) END)
  AND ($9::smallint[] IS NULL OR jobs.priority = ANY ($9))
  AND ($10::text[] IS NULL OR jobs.worker_tag = ANY ($10))
  AND ($11::text[] IS NULL OR jobs.queue = ANY ($11))
  AND ($12::bigint[] IS NULL OR jobs.number = ANY ($12))
  AND ($13::timestamptz IS NULL OR jobs.created_at >= $13)
  AND ($14::timestamptz IS NULL OR jobs.created_at <= $14)
  AND ($15::timestamptz IS NULL OR jobs.updated_at >= $15)
  AND ($16::timestamptz IS NULL OR jobs.updated_at <= $16)
  AND ($17::timestamptz IS NULL OR jobs.terminated_at >= $17)
  AND ($18::timestamptz IS NULL OR jobs.terminated_at <= $18)
  AND ($19::text[] IS NULL OR asked.category = ANY ($19))
  AND ($20::text[] IS NULL OR asked.sub_category = ANY ($20))
  AND ($21::text[] IS NULL OR asked.client_request_id = ANY ($21))
  AND ($22::text[] IS NULL OR asked.correlation_id = ANY ($22))
  AND ($23::text[] IS NULL OR asked.idempotency_key = ANY ($23))
  AND ($24::jsonb IS NULL OR (asked.labels @> $24 AND asked.labels <> '{{}}'))
  AND ($25::jsonb IS NULL OR NOT EXISTS (
        SELECT FROM jsonb_each($25) AS wanted(key, words)
        WHERE (wanted.words ? (asked.labels ->> wanted.key)) IS NOT TRUE))
  AND ($26::bool IS NULL OR jobs.started_at IS NULL)
  AND ($27::bool IS NULL OR jobs.status IN ('pending', 'suspended', 'running'))
"""

FILTERS = (
    "status", "type", "definition", "created_by", "priority", "worker_tag", "queue", "number",
    "created_from", "created_to", "updated_from", "updated_to", "terminated_from", "terminated_to",
    "category", "sub_category", "client_request_id", "correlation_id", "idempotency_key",
    "labels", "label_choices", "not_started", "not_ended",
)  # fmt: skip
"""What $5 and the following are. `labels` is a JSON object; `label_choices` one of lists, for any of several values."""

NEWEST = f"""{_KEYS} {_FOUND} AND ($28::timestamptz IS NULL OR (jobs.created_at, jobs.id) < ($28, $29::uuid))
ORDER BY jobs.created_at DESC, jobs.id DESC LIMIT $2"""
OLDEST = f"""{_KEYS} {_FOUND} AND ($28::timestamptz IS NULL OR (jobs.created_at, jobs.id) > ($28, $29::uuid))
ORDER BY jobs.created_at, jobs.id LIMIT $2"""

BY_NUMBER_DOWN = f"""{_KEYS}, jobs.number {_FOUND} AND ($28::bigint IS NULL OR jobs.number < $28)
ORDER BY jobs.number DESC LIMIT $2"""
BY_NUMBER = f"""{_KEYS}, jobs.number {_FOUND} AND ($28::bigint IS NULL OR jobs.number > $28)
ORDER BY jobs.number LIMIT $2"""

BY_STATUS_DOWN = f"""{_KEYS}, jobs.status {_FOUND}
AND ($28::text IS NULL OR (jobs.status, jobs.created_at, jobs.id) < ($28, $29::timestamptz, $30::uuid))
ORDER BY jobs.status DESC, jobs.created_at DESC, jobs.id DESC LIMIT $2"""
BY_STATUS = f"""{_KEYS}, jobs.status {_FOUND}
AND ($28::text IS NULL OR (jobs.status, jobs.created_at, jobs.id) > ($28, $29::timestamptz, $30::uuid))
ORDER BY jobs.status, jobs.created_at, jobs.id LIMIT $2"""

BY_TYPE_DOWN = f"""{_KEYS}, jobs.type {_FOUND}
AND ($28::text IS NULL OR (jobs.type, jobs.created_at, jobs.id) < ($28, $29::timestamptz, $30::uuid))
ORDER BY jobs.type DESC, jobs.created_at DESC, jobs.id DESC LIMIT $2"""
BY_TYPE = f"""{_KEYS}, jobs.type {_FOUND}
AND ($28::text IS NULL OR (jobs.type, jobs.created_at, jobs.id) > ($28, $29::timestamptz, $30::uuid))
ORDER BY jobs.type, jobs.created_at, jobs.id LIMIT $2"""

BY_CREATOR_DOWN = f"""{_KEYS}, jobs.created_by {_FOUND}
AND ($28::text IS NULL OR (jobs.created_by, jobs.created_at, jobs.id) < ($28, $29::timestamptz, $30::uuid))
ORDER BY jobs.created_by DESC, jobs.created_at DESC, jobs.id DESC LIMIT $2"""
BY_CREATOR = f"""{_KEYS}, jobs.created_by {_FOUND}
AND ($28::text IS NULL OR (jobs.created_by, jobs.created_at, jobs.id) > ($28, $29::timestamptz, $30::uuid))
ORDER BY jobs.created_by, jobs.created_at, jobs.id LIMIT $2"""

# The following have no index (updated_at changes with each progress, and an index on it would end HOT updates): a page
# sorts what the filters leave.
BY_PRIORITY_DOWN = f"""{_KEYS}, jobs.priority {_FOUND}
AND ($28::smallint IS NULL OR (jobs.priority, jobs.created_at, jobs.id) < ($28, $29::timestamptz, $30::uuid))
ORDER BY jobs.priority DESC, jobs.created_at DESC, jobs.id DESC LIMIT $2"""
BY_PRIORITY = f"""{_KEYS}, jobs.priority {_FOUND}
AND ($28::smallint IS NULL OR (jobs.priority, jobs.created_at, jobs.id) > ($28, $29::timestamptz, $30::uuid))
ORDER BY jobs.priority, jobs.created_at, jobs.id LIMIT $2"""

LATELY_UPDATED = f"""{_KEYS}, jobs.updated_at {_FOUND}
AND ($28::timestamptz IS NULL OR (jobs.updated_at, jobs.id) < ($28, $29::uuid))
ORDER BY jobs.updated_at DESC, jobs.id DESC LIMIT $2"""
LONG_UNCHANGED = f"""{_KEYS}, jobs.updated_at {_FOUND}
AND ($28::timestamptz IS NULL OR (jobs.updated_at, jobs.id) > ($28, $29::uuid))
ORDER BY jobs.updated_at, jobs.id LIMIT $2"""

LATELY_STARTED = f"""{_KEYS}, jobs.started_at {_FOUND} AND jobs.started_at IS NOT NULL
AND ($28::timestamptz IS NULL OR (jobs.started_at, jobs.id) < ($28, $29::uuid))
ORDER BY jobs.started_at DESC, jobs.id DESC LIMIT $2"""
LONG_STARTED = f"""{_KEYS}, jobs.started_at {_FOUND} AND jobs.started_at IS NOT NULL
AND ($28::timestamptz IS NULL OR (jobs.started_at, jobs.id) > ($28, $29::uuid))
ORDER BY jobs.started_at, jobs.id LIMIT $2"""

LATELY_ENDED = f"""{_KEYS}, jobs.terminated_at {_FOUND} AND jobs.terminated_at IS NOT NULL
AND ($28::timestamptz IS NULL OR (jobs.terminated_at, jobs.id) < ($28, $29::uuid))
ORDER BY jobs.terminated_at DESC, jobs.id DESC LIMIT $2"""
LONG_ENDED = f"""{_KEYS}, jobs.terminated_at {_FOUND} AND jobs.terminated_at IS NOT NULL
AND ($28::timestamptz IS NULL OR (jobs.terminated_at, jobs.id) > ($28, $29::uuid))
ORDER BY jobs.terminated_at, jobs.id LIMIT $2"""

# $2 is the most to count: null for all.
COUNT = f"""SELECT count(*) FROM (
SELECT {_FOUND}
AND ($28::text[] IS NULL OR concat_ws(' ', asked.description, asked.args, jobs.output) ILIKE ALL ($28))
LIMIT $2) AS counted"""


@dataclass(frozen=True, slots=True)
class Leg:
    """A statement, the columns that say where one of its pages ended, and the filter that is this leg's own.

    With `values_of`, a filter, it is one of by_value.py, which takes no others besides times of creation.
    """

    statement: str
    columns: tuple[str, ...]
    only: str | None = None
    values_of: str | None = None


BY_TIME = ("created_at", "id")
_NEWEST, _OLDEST = Leg(NEWEST, BY_TIME), Leg(OLDEST, BY_TIME)

# Jobs without a start or an end come last in both directions: a second leg.
ORDERS: dict[str, tuple[Leg, ...]] = {
    "-created_at": (_NEWEST,),
    "created_at": (_OLDEST,),
    "-number": (Leg(BY_NUMBER_DOWN, ("number",)),),
    "number": (Leg(BY_NUMBER, ("number",)),),
    "-status": (Leg(BY_STATUS_DOWN, ("status", *BY_TIME)),),
    "status": (Leg(BY_STATUS, ("status", *BY_TIME)),),
    "-type": (Leg(BY_TYPE_DOWN, ("type", *BY_TIME)),),
    "type": (Leg(BY_TYPE, ("type", *BY_TIME)),),
    "-priority": (Leg(BY_PRIORITY_DOWN, ("priority", *BY_TIME)),),
    "priority": (Leg(BY_PRIORITY, ("priority", *BY_TIME)),),
    "-created_by": (Leg(BY_CREATOR_DOWN, ("created_by", *BY_TIME)),),
    "created_by": (Leg(BY_CREATOR, ("created_by", *BY_TIME)),),
    "-updated_at": (Leg(LATELY_UPDATED, ("updated_at", "id")),),
    "updated_at": (Leg(LONG_UNCHANGED, ("updated_at", "id")),),
    "-started_at": (Leg(LATELY_STARTED, ("started_at", "id")), Leg(NEWEST, BY_TIME, "not_started")),
    "started_at": (Leg(LONG_STARTED, ("started_at", "id")), Leg(OLDEST, BY_TIME, "not_started")),
    "-terminated_at": (Leg(LATELY_ENDED, ("terminated_at", "id")), Leg(NEWEST, BY_TIME, "not_ended")),
    "terminated_at": (Leg(LONG_ENDED, ("terminated_at", "id")), Leg(OLDEST, BY_TIME, "not_ended")),
}
