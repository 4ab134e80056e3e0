"""Whether tables keep their size under steady work: `python -m benchmarks.bloat --minutes 20`.

So many jobs a second are submitted, each of which reports three times; what ended two minutes ago is purged, so that
the number of jobs soon stays the same. Then so must the size of each table, as long as autovacuum keeps up. Sizes and
dead rows are looked at every half minute, and kept as JSON.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg

from benchmarks.figures import RESULTS, commit, surroundings
from benchmarks.system import run_or_end, running_system

JOB = {"type": "sleep", "args": {"seconds": 1, "steps": 3}}
EVERY_SECONDS = 30
TABLES = ("jobs", "job_requests", "job_messages", "attempts", "job_tallies", "workers", "metric_sums")
LET_GO = """
UPDATE jobs SET purge_at = now()
WHERE tenant_id = 1 AND purge_at IS NULL AND terminated_at < now() - interval '2 minutes'
"""
LOOK = """
SELECT relname AS name, pg_relation_size(relid) AS table_bytes, pg_indexes_size(relid) AS index_bytes,
       n_live_tup AS live, n_dead_tup AS dead, autovacuum_count AS vacuums,
       CASE WHEN n_tup_upd > 0 THEN round(100.0 * n_tup_hot_upd / n_tup_upd, 1)::float8 END AS hot_percent
FROM pg_stat_user_tables WHERE relname = ANY ($1)
"""


async def run(minutes: float, rate: int) -> list[dict[str, Any]]:
    """The samples, oldest first."""
    samples: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="lavori-bench-") as folder:
        async with running_system(Path(folder)) as system, system.client() as api:
            database = await asyncpg.connect(system.database_url)
            began, submitted, second = time.monotonic(), 0, 0
            while (passed := time.monotonic() - began) < minutes * 60 + 1:
                if passed >= len(samples) * EVERY_SECONDS:
                    await database.execute(LET_GO)
                    rows = await database.fetch(LOOK, TABLES)
                    tables = {row["name"]: dict(row.items()) for row in rows}
                    samples.append({"seconds": round(passed), "submitted": submitted, "tables": tables})
                    print(shown(samples[-1]), file=sys.stderr, flush=True)
                async with api.post("/api/jobs/batch", json=[JOB] * rate) as response:
                    await response.read()
                    submitted += rate
                second += 1
                await asyncio.sleep(max(0.0, began + second - time.monotonic()))
            await database.close()
    return samples


def shown(sample: dict[str, Any]) -> str:
    """A sample in a line."""
    parts = (
        f"{name} {(one['table_bytes'] + one['index_bytes']) / 2**20:.1f} MiB, {one['dead']} dead"
        for name, one in sorted(sample["tables"].items())
    )
    return f"{sample['seconds']:5} s, {sample['submitted']} jobs: {'; '.join(parts)}"


def main() -> None:
    """Run, and keep what was seen."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--rate", type=int, default=50, help="jobs a second (50)")
    asked = parser.parse_args()
    facts = surroundings()
    samples = run_or_end(run(asked.minutes, asked.rate))
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{commit()}-bloat.json"
    path.write_text(json.dumps({"facts": facts, "rate": asked.rate, "samples": samples}, indent=1) + "\n")
    print(path)


if __name__ == "__main__":
    main()
