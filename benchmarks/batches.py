"""Many jobs in one call: 1,000 submitted by POST /api/jobs/batch, and 1,000 asked after by POST /api/jobs/poll."""

import argparse
import tempfile
from pathlib import Path

import orjson

from benchmarks import wrk
from benchmarks.figures import Figure
from benchmarks.request import JOB
from benchmarks.system import KEY, running_system

MANY = 1_000
CONNECTIONS = 4


async def measure(asked: argparse.Namespace) -> list[Figure]:
    """Batches over four connections; polls one after the other, of jobs that are known and of jobs that are news."""
    rates: list[float] = []
    polls: dict[str, list[float]] = {"known": [], "new": []}
    with tempfile.TemporaryDirectory(prefix="lavori-bench-") as name:
        folder = Path(name)
        async with running_system(folder, workers=0) as system:
            async with system.client() as api, api.post("/api/jobs/batch", json=[JOB] * MANY) as response:
                made = [one["job"] for one in await response.json()]
            versions = {"known": 0, "new": 1}
            bodies = {
                what: orjson.dumps(
                    {"jobs": [{"id": one["id"], "version": one["version"] + more} for one in made]}
                )
                for what, more in versions.items()
            }
            post = wrk.Asked(system.url, ["/api/jobs/batch"], folder, "POST", orjson.dumps([JOB] * MANY), KEY)
            for run in range(asked.runs + 1):
                for what, body in bodies.items():
                    poll = wrk.Asked(system.url, ["/api/jobs/poll"], folder, "POST", body, KEY)
                    got = _good(await wrk.load(poll, asked.seconds if run else 1, connections=1))
                    polls[what] += [got.p50] if run else []
                got = _good(await wrk.load(post, asked.seconds if run else 1, CONNECTIONS))
                rates += [got.rate * MANY] if run else []
    return [
        Figure("jobs submitted in batches of 1,000", "jobs/s", rates, least=15_000),
        Figure("poll of 1,000 jobs that have not changed, p50", "ms", polls["known"], most=15),
        Figure("poll of 1,000 jobs that all have, p50", "ms", polls["new"]),
    ]


def _good(got: wrk.Load) -> wrk.Load:
    if got.refused:
        raise SystemExit(f"{got.refused} of {got.made} requests were refused")
    return got
