"""A system as it looks after some weeks: jobs of every kind, long names, definitions, keys, notices."""

import base64
from typing import Any

from dev_run import ROOT, Dev, until

from .conftest import ended, submit

LONG = "Riconciliazione degli incassi e dei flussi di rendicontazione del Comune di San Giovanni in Persiceto"
PERSON = "annamaria.montefeltro-della-rovere@servizi-digitali.example.org"
LINK = "https://docs.example.org/lavori/rendicontazione/2026/novembre?page=1&of=the-whole-month"
SERVICE = "5f0c3c1e-6f0b-4a0e-9f39-1d1b7a6a2a11"
CRON = {"cron": "30 2 * * *", "timezone": "Europe/Rome"}
DEFINITIONS: tuple[dict[str, Any], ...] = (
    {"code": "nightly", "type": "echo", "name": "Every night", "schedule": CRON},
    {"code": "paused", "type": "echo", "name": LONG, "schedule": {"cron": "0 8 * * 1-5", "enabled": False}},
    {"code": "by_hand", "type": "sleep", "args": {"seconds": 0}, "description": LONG, "shared_with": ["*"]},
    {
        "code": "rendicontazione_trimestrale_degli_incassi_della_tesoreria_comunale",
        "type": "echo",
        "args": {"text": LONG, "link": LINK},
        "schedule": {"cron": "7,22,37,52 6-9 1-7 1,4,7,10 *", "timezone": "America/Argentina/Buenos_Aires"},
    },
)


def furnish(dev: Dev) -> dict[str, str]:
    """Fill the system; ids, most of them of jobs, by what they stand for."""
    _keys(dev)
    for number in range(12):
        submit(dev, "sleep", args={"seconds": 0.01, "fail": number % 4 == 0}, labels={"team": "payments"})
    labels = {"department": "ragioneria-e-tributi", "period": "2026-11", "a-very-long-name-of-a-label": LONG}
    wordy = submit(
        dev, args={"text": LONG, "link": LINK}, description=LONG, labels=labels, idempotency_key="k" * 64
    )
    table = submit(dev, "sleep", args={"seconds": 0, "output_bytes": 200_000}, description="A large output")
    told = submit(
        dev, "sleep", args={"seconds": 0, "fail": True}, notify={"emails": ["anna@example.org", PERSON]}
    )
    runs = [_defined(dev, one) for one in DEFINITIONS]
    ids = {
        "finished": table["id"],
        "failed": told["id"],
        "wordy": wordy["id"],
        "imported": _import(dev),
        "running": submit(dev, "sleep", args={"seconds": 600, "steps": 600}, description="A long one")["id"],
        "waiting": submit(dev, run_at="2126-01-01T00:00:00Z")["id"],
        "suspended": submit(dev, run_at="2126-01-01T00:00:00Z", priority="high")["id"],
        "definition": DEFINITIONS[-1]["code"],
    }
    dev.post(f"/api/jobs/{ids['suspended']}/suspend", {})
    for job_id in (table["id"], told["id"], wordy["id"], ids["imported"], *(run for run in runs if run)):
        ended(dev, job_id)
    again = dev.post(f"/api/jobs/{told['id']}/rerun", {})
    ended(dev, again["id"])
    owed = f"/api/jobs/{told['id']}/notices"
    until(
        lambda: all(one["state"] == "undeliverable" for one in dev.get(owed)["notices"]), "the mails' states"
    )
    return ids


def _keys(dev: Dev) -> None:
    dev.post("/api/keys", {"name": "viewer of the town hall", "principal": "vera", "roles": ["viewer"]})
    wide = {"name": LONG, "principal": PERSON, "roles": ["curator"], "expires_at": "2127-01-01T00:00:00Z"}
    dev.post("/api/keys", wide)


def _defined(dev: Dev, stored: dict[str, Any]) -> str | None:
    dev.post("/api/job-definitions", stored)
    if stored["code"] == "paused":
        return None
    run: str = dev.post(f"/api/job-definitions/{stored['code']}/execute", {})["id"]
    return run


def _import(dev: Dev) -> str:
    """A job with a file, messages, figures and an output."""
    rows = (ROOT / "docs" / "examples" / "dovuti.csv").read_bytes()
    attachment = {"file": base64.b64encode(rows).decode(), "name": "dovuti.csv", "mime_type": "text/csv"}
    made = submit(dev, "import_dovuti", args={"service_id": SERVICE}, attachment=attachment, description=LONG)
    job_id: str = made["id"]
    return job_id
