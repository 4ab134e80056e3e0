"""The job that is submitted wherever requests are measured: what a caller of a town's service would send."""

from typing import Any

JOB: dict[str, Any] = {
    "type": "echo",
    "priority": "high",
    "description": "the nightly import of the water utility, second attempt",
    "labels": {"team": "payments", "region": "lombardia"},
    "args": {
        "source": "https://files.example.org/exports/2026/11/22/dovuti.csv",
        "columns": [{"name": "notice_number", "kind": "str"}, {"name": "amount", "kind": "float"}],
    },
    "max_attempts": 3,
    "correlation_id": "0199f3c2-7b1e-7cc4-9d3e-5a1b2c3d4e5f",
}
