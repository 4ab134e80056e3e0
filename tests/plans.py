"""What EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) says that a statement has cost."""

from typing import Any


def rows_read(plan: dict[str, Any]) -> int:
    """How many rows the scans of a plan touched."""
    below = sum(rows_read(inner) for inner in plan.get("Plans", []))
    if "Relation Name" not in plan:
        return below
    return below + int(plan["Actual Loops"] * (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)))


def blocks(plan: dict[str, Any]) -> int:
    """Blocks read, those of an index that it walked through to find its first row among them."""
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
