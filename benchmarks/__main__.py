"""Measure this machine: `python -m benchmarks` and names of measures, or none for all.

Servers, API and workers are started for it, as processes of their own; what is compared is measured in turns, so that a
slow minute of the machine is everybody's. The table is printed, and kept in benchmarks/results with the machine's
description and the commit, as Markdown and as JSON; `python -m benchmarks.draw` makes the plots in docs of it.
"""

import argparse
import json
import shlex
import shutil
import sys
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from benchmarks import batches, download, drain, export_dovuti, http, idle, import_dovuti, latency, waiting
from benchmarks.figures import RESULTS, ROOT, Figure, commit, surroundings, table
from benchmarks.peers import measure as peers
from benchmarks.system import run_or_end

Measure = Callable[[argparse.Namespace], Coroutine[Any, Any, list[Figure]]]
MEASURES: dict[str, tuple[str, Measure]] = {
    "peers": ("What else a user could pick, doing the same work", peers.measure),
    "import": ("import_dovuti beside parse-and-COPY", import_dovuti.measure),
    "export": ("export_dovuti by format", export_dovuti.measure),
    "http": ("Submit and poll beside bare aiohttp and the tutorial's way", http.measure),
    "batches": ("Many jobs in one call", batches.measure),
    "latency": ("From 201 to running on an idle system", latency.measure),
    "drain": ("What one worker gets through", drain.measure),
    "download": ("Downloading an output", download.measure),
    "idle": ("A system with nothing to do", idle.measure),
    "waiting": ("Clients that wait, half by long poll and half by event stream", waiting.measure),
}


def main() -> None:
    """Measure what is asked for, show and keep it."""
    asked = arguments()
    facts = surroundings()
    parts, found = [f"# Measured\n\n{facts}"], {}
    print(parts[0])
    for name in asked.names:
        title, measure = MEASURES[name]
        print(f"measuring: {name}", file=sys.stderr)
        figures = run_or_end(measure(asked))
        parts.append(table(title, figures))
        found[name] = {"title": title, "figures": [asdict(figure) for figure in figures]}
        print(parts[-1])
    if asked.forget:
        return
    RESULTS.mkdir(exist_ok=True)
    kept = RESULTS / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{commit()}.md"
    kept.write_text("\n".join(parts), encoding="utf-8")
    told = {"facts": facts.splitlines(), "command": shlex.join(sys.argv[1:]), "measures": found}
    kept.with_suffix(".json").write_text(
        json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    print(f"kept as {kept.relative_to(ROOT)}", file=sys.stderr)


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MEASURES))
    parser.add_argument("--runs", type=int, default=3, help="of each thing (3)")
    parser.add_argument(
        "--rows", type=int, default=1_000_000, help="of the file that is imported or exported (1,000,000)"
    )
    parser.add_argument("--seconds", type=int, default=4, help="of each run of http, batches and peers (4)")
    parser.add_argument(
        "--only", default="", help="cases of http, or peers, whose name holds this word (all)"
    )
    parser.add_argument("--samples", type=int, default=200, help="jobs of each run of latency (200)")
    parser.add_argument("--clients", type=int, default=10_000, help="that wait (10,000)")
    parser.add_argument("--forget", action="store_true", help="keep no results")
    asked = parser.parse_args()
    if unknown := sorted(set(asked.names) - set(MEASURES)):
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(MEASURES)}")
    asked.names = asked.names or list(MEASURES)
    if {"http", "batches", "peers"} & set(asked.names) and shutil.which("wrk") is None:
        parser.error("http, batches and peers need wrk, the load generator: on Debian, apt-get install wrk")
    return asked


if __name__ == "__main__":
    main()
