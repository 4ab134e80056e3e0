"""What millions of jobs cost: `python -m benchmarks.growth`.

Two databases on one server, each with an API of its own: one holds the jobs of an hour, the other the same hour and
the 5,000,000 jobs of 400 days before it (growth_fill.py; it takes some minutes and 10 GB, and is kept where `--data`
says). The same requests go to both in turns. Page 10,000 of the list (100 a page) is reached by following the
cursors, which is not measured; then that page is asked for again and again. The small list has no such page, so it is
compared with its second one, which has a cursor too. Statistics are asked for with another window each time, since
they are kept for a second.
"""

import argparse
import json
import shlex
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import orjson
from aiohttp import ClientSession

from benchmarks import wrk
from benchmarks.figures import RESULTS, Figure, commit, ratio, surroundings, table
from benchmarks.growth_fill import RECENT, fill
from benchmarks.request import JOB
from benchmarks.system import KEY, answering, process, run_or_end, settings_of
from service.db.migrate import migrate
from service.dev.embedded import embedded_servers
from service.dev.ports import free_port
from service.jobs.purge import purge_batch
from workers.upkeep.tally import FOLD

PASSWORD = "growth"
POLLED, PAGE, DEEP = 400, 100, 10_000  # the small one has no more of one tenant
SOME = "SELECT id FROM jobs WHERE tenant_id = 1 ORDER BY hashtext(id::text) LIMIT $1"
LISTS = {
    "list of status finished": f"status=finished&limit={PAGE}",
    "list of status pending": f"status=pending&limit={PAGE}",
    "list of a type and a status": f"type=export_dovuti&status=failed&limit={PAGE}",
    "list of a label": f"label.team=team-2&limit={PAGE}",
    "list of a creator": f"created_by=person-7%40example.org&limit={PAGE}",
    "list by end": f"sort=-terminated_at&limit={PAGE}",
}
DOOM = """
UPDATE jobs SET purge_at = now() - interval '1 day'
WHERE id IN (SELECT id FROM jobs WHERE terminated_at IS NOT NULL ORDER BY created_at LIMIT $1)
"""


@dataclass(slots=True)
class Side:
    """One of the two databases and its API."""

    name: str
    url: str
    database: asyncpg.Connection
    lines: dict[str, list[str]] = field(default_factory=dict)
    values: dict[str, list[float]] = field(default_factory=dict)


RATES = ("poll", "submit")
"""Of 64 connections; all else is the median time of one request after the other."""


async def ask(side: Side, folder: Path, what: str, seconds: int) -> float:
    """Requests a second, or the milliseconds of one."""
    asked = wrk.Asked(side.url, side.lines[what], folder, key=KEY)
    if what == "submit":
        asked = replace(asked, method="POST", body=orjson.dumps(JOB))
    got = await wrk.load(asked, seconds, wrk.CONNECTIONS if what in RATES else 1)
    if got.refused:
        raise SystemExit(f"{got.refused} of {got.made} requests ({what}) were refused")
    if what == "submit":
        while await side.database.fetchval(FOLD):  # as a worker does
            pass
    return got.rate if what in RATES else got.p50


async def deep_page(url: str, after: int) -> str:
    """The path of the page that comes after so many jobs, found by following cursors."""
    headers = {"Authorization": f"Bearer {KEY}"}
    step = min(1_000, after)
    path = f"/api/jobs?limit={step}&fields=id"
    async with ClientSession(url, headers=headers) as api:
        for _ in range(after // step):
            async with api.get(path) as response:
                path = (await response.json())["next"]
    _, _, cursor = path.partition("cursor=")
    return f"/api/jobs?limit={PAGE}&cursor={cursor}"


async def prepare(side: Side, deep: int) -> None:
    """What to ask."""
    ids = [row["id"] for row in await side.database.fetch(SOME, POLLED)]
    side.lines = {
        "poll": [f"/api/jobs/{one}" for one in ids],
        "submit": ["/api/jobs"],
        "list, page 1": [f"/api/jobs?limit={PAGE}"],
        f"list, page {DEEP:,}": [await deep_page(side.url, deep)],
        "dashboard overview (/api/stats)": [
            f"/api/stats?window_seconds={3_600 + extra}" for extra in range(2_000)
        ],
        **{what: [f"/api/jobs?{query}"] for what, query in LISTS.items()},
    }
    side.values = {what: [] for what in side.lines}


def figures(small: Side, large: Side) -> list[Figure]:
    """Both sides, and how many times longer the large one takes."""
    found: list[Figure] = []
    aimed = list(large.lines)[: -len(LISTS)]
    for what in large.lines:
        unit = "requests/s" if what in RATES else "ms"
        one, other = (Figure(f"{what}, {side.name}", unit, side.values[what]) for side in (small, large))
        grown = ratio(one, other) if what in RATES else ratio(other, one)
        aim = 1.3 if what in aimed else None
        found += [one, other, replace(grown, what=f"{what}: times as long", most=aim)]
    return found


async def measure(asked: argparse.Namespace, data: Path) -> list[Figure]:
    """Both sides in turns."""
    async with embedded_servers(data, password=PASSWORD) as servers, AsyncExitStack() as stack:
        base = servers.database_url.rpartition("/")[0]
        sides: list[Side] = []
        for number, (name, jobs) in enumerate((("small", RECENT), ("large", asked.jobs))):
            url = f"{base}/{name}"
            await filled(servers.database_url, url, name, jobs)
            environ = settings_of(servers, data, free_port(f"{data} {name}"))
            environ |= {"DATABASE_URL": url, "REDIS_URL": f"{servers.redis_url.rpartition('/')[0]}/{number}"}
            await stack.enter_async_context(process(environ, "-m", "service", "serve", name=f"api-{name}"))
            database = await asyncpg.connect(url)
            stack.push_async_callback(database.close)
            count = await database.fetchval("SELECT sum(jobs)::bigint FROM job_tallies")
            sides.append(Side(f"{count:,} jobs", f"http://127.0.0.1:{environ['PORT']}", database))
            await answering(f"{sides[-1].url}/readyz")
        small, large = sides
        if asked.purge:
            return await measure_purge(large, asked.purge)
        await prepare(small, PAGE)
        await prepare(large, min(PAGE * (DEEP - 1), asked.jobs // 4 // PAGE * PAGE))
        with tempfile.TemporaryDirectory() as name:
            for what in large.lines:
                for side in sides:
                    await ask(side, Path(name), what, 1)
                for run in range(asked.runs):
                    for side in sides if run % 2 else reversed(sides):
                        side.values[what].append(await ask(side, Path(name), what, asked.seconds))
        return figures(small, large)


async def filled(server: str, url: str, name: str, jobs: int) -> None:
    """Make a database and fill it, unless it has been."""
    connection = await asyncpg.connect(server)
    known = await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", name)
    if known and name == "small":
        await connection.execute("DROP DATABASE small WITH (FORCE)")  # its hour must be the last one
        known = False
    if not known:
        await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    await migrate(url)
    if not known:
        await fill(url, jobs, lambda line: print(line, file=sys.stderr, flush=True))


async def measure_purge(side: Side, jobs: int) -> list[Figure]:
    """Purge so many of the oldest jobs as a worker does, batch by batch."""
    await side.database.execute(DOOM, jobs)
    began, gone, more = time.monotonic(), 0, True
    while more:
        async with side.database.transaction():
            purged = await purge_batch(side.database, None)
        gone, more = gone + purged.counts["jobs"], purged.more
    return [Figure(f"purge of {gone:,} of {side.name}", "jobs/s", [gone / (time.monotonic() - began)])]


def parsed(words: Sequence[str]) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="where the databases are kept (nowhere)")
    parser.add_argument("--jobs", type=int, default=5_000_000, help="of the large one (5,000,000)")
    parser.add_argument("--runs", type=int, default=3, help="of each thing (3)")
    parser.add_argument("--seconds", type=int, default=2, help="of each run (2)")
    parser.add_argument("--purge", type=int, default=0, help="purge so many of the large one instead")
    return parser.parse_args(words)


def main() -> None:
    """Fill, measure, show and keep."""
    asked = parsed(sys.argv[1:])
    facts = surroundings()
    with tempfile.TemporaryDirectory(prefix="lavori-bench-") as folder:
        data = (asked.data or Path(folder)).absolute()
        data.mkdir(parents=True, exist_ok=True)
        found = run_or_end(measure(asked, data))
    title = "Growth"
    shown = f"# Measured\n\n{facts}\n{table(title, found)}"
    print(shown)
    RESULTS.mkdir(exist_ok=True)
    name = "purge" if asked.purge else "growth"
    kept = RESULTS / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{commit()}-{name}.md"
    kept.write_text(shown, encoding="utf-8")
    told = {name: {"title": title, "figures": [asdict(figure) for figure in found]}}
    whole = {"facts": facts.splitlines(), "command": shlex.join(sys.argv[1:]), "measures": told}
    kept.with_suffix(".json").write_text(
        json.dumps(whole, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
