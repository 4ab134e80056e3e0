"""Folds the tallies of jobs: their sums stay, their rows become one a group."""

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


async def tally(runtime: Runtime) -> None:
    """Fold until there is little to fold."""
    while await runtime.pool.fetchval(FOLD):
        pass
