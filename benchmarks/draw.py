"""Draws results into docs/plots: `python -m benchmarks.draw RESULT.json…`.

Bars for what the peers do, a line of ratios to their aims for each other measure, lines for the bloat run. Values of
several files of one measure are taken together, as runs of one. The SVG is written by hand: rectangles and text.
"""

import json
import statistics
import sys
from pathlib import Path
from typing import Any

from benchmarks.figures import ROOT, number

PLOTS = ROOT / "docs" / "plots"
WIDTH, LEFT, ROW, BAR = 820, 390, 26, 16
STYLE = (
    "<style>text{font:13px sans-serif;fill:#222}.b{fill:#8fb3d9}.u{fill:#1f6f4a}.m{fill:#b8562f}.r{stroke:#555}"
    ".t{font-weight:bold}</style>"
)


def canvas(height: int, parts: list[str]) -> str:
    """A whole SVG."""
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    ground = f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>'
    return "\n".join((f'<svg xmlns="http://www.w3.org/2000/svg" {size}>', STYLE, ground, *parts, "</svg>\n"))


def text(x: float, y: float, words: str, anchor: str = "start", style: str = "") -> str:
    """Words at a place."""
    safe = words.replace("&", "&amp;").replace("<", "&lt;")
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" class="{style}">{safe}</text>'


def bars(title: str, rows: list[tuple[str, list[float], str]], line: float | None = None) -> str:
    """A bar a row, as long as its median, with a whisker from least to most; `line` is drawn across all."""
    most = max([max(values) for _, values, _ in rows] + [line or 0])
    scale = (WIDTH - LEFT - 90) / most
    parts = [text(8, 20, title, style="t")]
    for n, (name, values, style) in enumerate(rows):
        y = 34 + n * ROW
        middle, low, high = statistics.median(values), min(values) * scale, max(values) * scale
        parts += [
            text(LEFT - 8, y + 13, name, "end"),
            f'<rect class="{style}" x="{LEFT}" y="{y}" width="{max(1, middle * scale):.1f}" height="{BAR}"/>',
            f'<path class="r" d="M{LEFT + low:.1f} {y + 8}H{LEFT + high:.1f}"/>',
            text(LEFT + high + 6, y + 13, number(middle)),
        ]
    bottom = 34 + len(rows) * ROW
    if line is not None:
        parts.append(f'<path class="r" stroke-dasharray="4" d="M{LEFT + line * scale:.1f} 28V{bottom}"/>')
    return canvas(bottom + 10, parts)


def lines(title: str, series: dict[str, list[tuple[float, float]]]) -> str:
    """A line a name, over minutes; each against its own greatest value, which is written beside it."""
    end = max(x for points in series.values() for x, _ in points) or 1
    parts = [text(8, 20, title, style="t")]
    for n, (name, points) in enumerate(series.items()):
        top, base = 36 + n * 60, 36 + n * 60 + 44
        most = max(y for _, y in points) or 1
        path = " ".join(
            f"{LEFT + x / end * (WIDTH - LEFT - 90):.1f},{base - y / most * 40:.1f}" for x, y in points
        )
        parts += [
            text(LEFT - 8, base - 14, name, "end"),
            f'<polyline fill="none" stroke="#1f6f4a" stroke-width="1.5" points="{path}"/>',
            f'<path class="r" stroke-opacity="0.3" d="M{LEFT} {base}H{WIDTH - 90}"/>',
            text(WIDTH - 84, top + 14, f"≤ {number(most)}"),
        ]
    height = 46 + len(series) * 60
    parts.append(text(LEFT, height - 4, "0 min"))
    parts.append(text(WIDTH - 90, height - 4, f"{end / 60:.0f} min", "end"))
    return canvas(height + 6, parts)


def draw_bloat(samples: list[dict[str, Any]]) -> str:
    """Sizes and dead rows of the tables that change most."""
    series: dict[str, list[tuple[float, float]]] = {}
    for sample in samples:
        for name in ("jobs", "job_requests", "attempts", "job_messages", "job_tallies"):
            one = sample["tables"][name]
            size = (one["table_bytes"] + one["index_bytes"]) / 2**20
            series.setdefault(f"{name}, MiB with indexes", []).append((sample["seconds"], size))
            if name == "jobs":
                series.setdefault("jobs, dead rows", []).append((sample["seconds"], one["dead"]))
    return lines("50 jobs a second, purged two minutes after their end", series)


def aimed(figure: dict[str, Any]) -> tuple[str, list[float], str] | None:
    """A row of how far a figure is from its aim: 1 is the aim, more is better."""
    least, most, values = figure["least"], figure["most"], figure["values"]
    if not values or not (least or most):
        return None
    reached = [value / least if least else most / value if value else 4.0 for value in values]
    met = statistics.median(reached) >= 1
    return figure["what"], [min(one, 4.0) for one in reached], "u" if met else "m"


def main() -> None:
    """Draw all that the files hold."""
    PLOTS.mkdir(parents=True, exist_ok=True)
    measures: dict[str, dict[str, dict[str, Any]]] = {}
    for path in sys.argv[1:]:
        kept = json.loads(Path(path).read_text(encoding="utf-8"))
        if "samples" in kept:
            (PLOTS / "bloat.svg").write_text(draw_bloat(kept["samples"]), encoding="utf-8")
        for name, measure in kept.get("measures", {}).items():
            for figure in measure["figures"]:
                known = measures.setdefault(name, {}).setdefault(figure["what"], {**figure, "values": []})
                known["values"] = [*known["values"], *figure["values"]]
    for name, figures in measures.items():
        if name == "peers":
            for column in ("submit", "status", "end to end", "idle latency p50"):
                rows = [
                    (what.partition(":")[0], one["values"], "u" if what.startswith("Lavori") else "b")
                    for what, one in figures.items()
                    if what.endswith(f": {column}") and what.count(":") == 1 and one["values"]
                ]
                unit = next(one["unit"] for what, one in figures.items() if what.endswith(f": {column}"))
                plot = bars(f"{column}, {unit}", rows)
                (PLOTS / f"peers-{column.replace(' ', '-')}.svg").write_text(plot, encoding="utf-8")
        elif rows := [row for row in map(aimed, figures.values()) if row]:
            plot = bars("as a multiple of the aim (1 and more: met)", rows, 1.0)
            (PLOTS / f"{name}.svg").write_text(plot, encoding="utf-8")


if __name__ == "__main__":
    main()
