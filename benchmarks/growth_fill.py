"""Fills a database with the jobs of years: tenants, types, states, labels and ages as they come in a town's service.

The latest 1,000 jobs are of the last hour however many there are in all, so that what looks at the last hour finds the
same in a small and in a large table; the others are spread evenly over 400 days. Rows are made by PostgreSQL itself,
indexes after them, and triggers are off: what those would have written (tallies) is written at the end.
"""

import time
from collections.abc import Callable

import asyncpg

RECENT = 1_000
CHUNK = 500_000

QUIET = (
    "SET session_replication_role = replica; SET synchronous_commit = off; SET maintenance_work_mem = '1GB'"
)
INDEXES = """
SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS made
FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
WHERE relnamespace = 'public'::regnamespace AND NOT indisprimary
  AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
  AND relname IN ('jobs', 'job_requests', 'audit', 'files', 'outputs', 'links')
"""
TENANTS = """
INSERT INTO tenants (code, name) SELECT 'town-' || n, 'Town ' || n FROM generate_series(2, 20) AS n
"""
DEFINITIONS = """
INSERT INTO job_definitions (id, tenant_id, code, type, name, created_by, created_at)
SELECT gen_random_uuid(), tenants.id, 'nightly-' || n, 'import_dovuti', 'Nightly ' || n, 'admin', '2020-01-01'
FROM tenants, generate_series(0, 49) AS n
"""
# $1 and $2: the first and the last of this chunk; $3: how many there will be. Tenant 1 has four of ten.
JOBS = """
INSERT INTO jobs (id, tenant_id, type, definition, status, priority, due_at, claim, percent_completed, response_type,
                  output, error, created_by, created_at, updated_at, started_at, terminated_at, purge_at, modified_at)
SELECT uuidv7(at - now()), CASE WHEN n % 10 < 4 THEN 1 ELSE 2 + n / 7 % 19 END,
       (ARRAY['import_dovuti', 'export_dovuti', 'callWebserviceEndpoint', 'downloadFile', 'echo'])[1 + n / 3 % 5],
       CASE WHEN n % 5 = 0 THEN 'nightly-' || n / 5 % 50 END, state, 1 + (n % 50 = 0)::int,
       CASE WHEN state IN ('pending', 'suspended') THEN now() + interval '90 days' ELSE at END,
       ended::int, CASE WHEN state = 'finished' THEN 100 ELSE 0 END,
       CASE WHEN state = 'finished' THEN CASE WHEN n % 20 = 1 THEN 'publish_link' ELSE 'inline' END END,
       CASE state WHEN 'finished' THEN '{"total": 1200, "imported": 1187, "updated": 9, "skipped": 0, "rejected": 4}'
                  WHEN 'failed' THEN 'the file misses the column notice_number' END,
       CASE state WHEN 'failed' THEN
            '{"code": "bad_file", "message": "the file misses the column notice_number", "retryable": false}'::json END,
       'person-' || n % 97 || '@example.org', at, CASE WHEN ended THEN least(at + took, now()) ELSE at END,
       CASE WHEN ended THEN at + took / 20 END, CASE WHEN ended THEN least(at + took, now()) END,
       CASE WHEN ended AND n % 3 = 0 THEN at + interval '2 years' END, CASE WHEN n % 40 = 0 THEN at END
FROM generate_series($1::int, $2::int) AS n CROSS JOIN LATERAL (
    SELECT date_trunc('milliseconds', CASE WHEN n > $3::int - 1000 THEN now() - ($3 - n) * interval '3 seconds'
           ELSE now() - interval '1 hour' - ($3 - n) * (interval '400 days' / $3) END) AS at,
           CASE WHEN n * 7919::bigint % 1000 < 2 THEN 'pending' WHEN n * 7919::bigint % 1000 < 3 THEN 'suspended'
                WHEN n * 7919::bigint % 1000 < 43 THEN 'failed' WHEN n * 7919::bigint % 1000 < 58 THEN 'cancelled'
                ELSE 'finished' END AS state,
           (1 + n % 120) * interval '1 second' AS took
) AS made CROSS JOIN LATERAL (SELECT state NOT IN ('pending', 'suspended') AS ended) AS known
"""
FILES = """
INSERT INTO files (id, tenant_id, name, mime_type, size, sha256, storage_key, created_by, created_at)
SELECT id, tenant_id, 'rejected.csv', 'text/csv', 1200 + number % 4000, sha256(id::text::bytea), id::text, created_by,
       terminated_at
FROM jobs WHERE response_type = 'publish_link' AND number BETWEEN $1 AND $2
"""
OUTPUTS = """
INSERT INTO outputs (id, job_id, tenant_id, run, position, file_id, created_at)
SELECT id, id, tenant_id, 1, 0, id, terminated_at
FROM jobs WHERE response_type = 'publish_link' AND number BETWEEN $1 AND $2
"""
LINKS = """
INSERT INTO links (id, tenant_id, job_id, scope, created_by, created_at)
SELECT id, tenant_id, id, 'private', created_by, terminated_at
FROM jobs WHERE response_type = 'publish_link' AND number BETWEEN $1 AND $2
"""
REQUESTS = """
INSERT INTO job_requests (job_id, tenant_id, args, description, category, labels, correlation_id, idempotency_key,
                          modified_by)
SELECT id, tenant_id, json_build_object('service_id', id, 'validate_only', false, 'on_duplicate', 'update',
           'source', 'https://files.example.org/exports/' || number || '/dues.csv'),
       'dues of the water utility, delivery ' || number, 'Imports',
       CASE WHEN number % 10 < 3
            THEN jsonb_build_object('team', 'team-' || number % 8, 'region', 'region-' || number / 8 % 20)
            ELSE '{}' END,
       CASE WHEN number % 4 = 0 THEN id::text END, CASE WHEN number % 5 = 1 THEN 'delivery-' || number END, created_by
FROM jobs WHERE number BETWEEN $1 AND $2
"""
KEYS = """
INSERT INTO idempotency_keys SELECT sha256(id::text::bytea), id, sha256(number::text::bytea)
FROM jobs WHERE number % 5 = 1 AND number BETWEEN $1 AND $2
"""
ATTEMPTS = """
INSERT INTO attempts (job_id, claim, run, attempt, worker, started_at, ended_at, outcome)
SELECT id, 1, 1, 1, 'worker-1', started_at, terminated_at, status
FROM jobs WHERE terminated_at IS NOT NULL AND number BETWEEN $1 AND $2
"""
MESSAGES = """
INSERT INTO job_messages (job_id, seq, time, level, text)
SELECT id, seq, created_at, 'info', 'row ' || seq * 1000 || ' of 4000'
FROM jobs, generate_series(2, 5) AS seq WHERE number % 5 = 2 AND number BETWEEN $1 AND $2
"""
AUDIT = """
INSERT INTO audit (tenant_id, at, principal, action, object_type, object_id, address, request_id, changes)
SELECT tenant_id, created_at, created_by, 'create', 'job', id::text, '192.0.2.7', id::text,
       json_build_object('type', json_build_array(NULL, type))
FROM jobs WHERE number BETWEEN $1 AND $2
"""
TALLIES = """
INSERT INTO job_tallies
SELECT tenant_id, status, type, queue, count(*) FROM jobs GROUP BY tenant_id, status, type, queue
"""
FILE_TALLIES = "INSERT INTO file_tallies SELECT tenant_id, sum(size) FROM files GROUP BY tenant_id"
PARTS = (JOBS, FILES, OUTPUTS, LINKS, REQUESTS, KEYS, ATTEMPTS, MESSAGES, AUDIT)
# Rows of one number are found by it alone while the indexes are away.
BY_NUMBER = "CREATE INDEX filling ON jobs USING brin (number) WITH (pages_per_range = 16, autosummarize = on)"


async def fill(dsn: str, jobs: int, say: Callable[[str], None]) -> None:
    """Fill an empty database with so many jobs and what is theirs."""
    connection = await asyncpg.connect(dsn)
    began = time.monotonic()
    try:
        await connection.execute(QUIET)
        indexes = await connection.fetch(INDEXES)
        for index in indexes:
            await connection.execute(f"DROP INDEX {index['name']}")
        await connection.execute(BY_NUMBER)
        await connection.execute(TENANTS)
        await connection.execute(DEFINITIONS)
        for first in range(1, jobs + 1, CHUNK):
            last = min(jobs, first + CHUNK - 1)
            for part in PARTS:
                await connection.execute(part, first, last, *((jobs,) if part == JOBS else ()))
                if part == JOBS:
                    await connection.execute("SELECT brin_summarize_new_values('filling')")
            say(f"{last:,} jobs after {time.monotonic() - began:.0f} s")
        await connection.execute("DROP INDEX filling")
        for index in indexes:
            await connection.execute(index["made"])
        say(f"{len(indexes)} indexes after {time.monotonic() - began:.0f} s")
        await connection.execute(TALLIES)
        await connection.execute(FILE_TALLIES)
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("CHECKPOINT")
        say(f"filled in {time.monotonic() - began:.0f} s")
    finally:
        await connection.close()
