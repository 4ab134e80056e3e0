"""Folds the tallies of jobs and files: their sums stay, their rows become one a group."""

from workers.runtime import Runtime

# Rows that another worker is folding are skipped; a sum is the same however its rows are folded.
FOLD = """
WITH worth AS (
    SELECT count(*) > 1000 + 2 * count(DISTINCT (tenant_id, status, type, queue)) AS it FROM job_tallies
), taken AS (
    DELETE FROM job_tallies WHERE ctid = ANY (ARRAY(
        SELECT job_tallies.ctid FROM job_tallies, worth WHERE worth.it LIMIT 20000
        FOR UPDATE OF job_tallies SKIP LOCKED))
    RETURNING tenant_id, status, type, queue, jobs
), folded AS (
    INSERT INTO job_tallies
    SELECT tenant_id, status, type, queue, sum(jobs) FROM taken GROUP BY tenant_id, status, type, queue
    HAVING sum(jobs) <> 0
)
SELECT count(*) FROM taken
"""


FOLD_FILES = """
WITH worth AS (
    SELECT count(*) > 1000 + 2 * count(DISTINCT tenant_id) AS it FROM file_tallies
), taken AS (
    DELETE FROM file_tallies WHERE ctid = ANY (ARRAY(
        SELECT file_tallies.ctid FROM file_tallies, worth WHERE worth.it LIMIT 20000
        FOR UPDATE OF file_tallies SKIP LOCKED))
    RETURNING tenant_id, bytes
), folded AS (
    INSERT INTO file_tallies SELECT tenant_id, sum(bytes) FROM taken GROUP BY tenant_id HAVING sum(bytes) <> 0
)
SELECT count(*) FROM taken
"""


async def tally(runtime: Runtime) -> None:
    """Fold until there is little to fold."""
    for fold in (FOLD, FOLD_FILES):
        while await runtime.pool.fetchval(fold):
            pass
