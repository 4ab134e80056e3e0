"""The routes of workers, for the OpenAPI document."""

from typing import Any

from marshmallow import fields

from service.jobs import workers
from service.jobs.examples import STATS
from service.jobs.shown import WorkerOut
from service.web.described import Operation, Shown, answer

TAG = "Workers"
WORKER: dict[str, Any] = STATS["workers"][0]
ORDERED = {**WORKER, "drain_requested_at": "2026-11-22T10:41:26.412Z"}
ID = {"type": "string", "minLength": 1, "description": "The id of a worker, as the list tells it."}


class WorkersOut(Shown):
    """All that are alive."""

    workers = fields.List(fields.Nested(WorkerOut))


OPERATIONS = {
    workers.list_: Operation(
        "list_workers",
        "List workers",
        TAG,
        {200: answer(WorkersOut, {"workers": [WORKER]}, "All workers.")},
        more="Workers serve all tenants, and `running` counts the jobs of all. Whoever logs in may read them.",
    ),
    workers.drain: Operation(
        "drain_worker",
        "Let a worker take no more jobs",
        TAG,
        {200: answer(WorkerOut, ORDERED, "The worker, with the order.")},
        path={"id": ID},
        more=(
            "It finishes what it runs, stays alive, and takes nothing until it is resumed; a worker that is started "
            "anew is another one, without the order. A worker hears of it at once through Redis, else within four "
            "seconds. Repeating it changes nothing."
        ),
    ),
    workers.resume: Operation(
        "resume_worker",
        "Let a worker take jobs again",
        TAG,
        {200: answer(WorkerOut, WORKER, "The worker, without an order.")},
        path={"id": ID},
        more="A shutdown that has begun goes on. Repeating it changes nothing.",
    ),
}

WORDS = {
    "Worker.tags": "The tags that it takes: `*` any or none, `!a` only a.",
    "Worker.concurrency": "How many jobs it runs at once.",
    "Worker.running": "How many it runs now.",
    "Worker.beat_at": "When it was last heard of.",
    "Worker.draining": "Whether it takes nothing new: it has heard the order to drain, or is about to end.",
    "Worker.drain_requested_at": "When it was ordered to drain; null when it was not, or takes jobs again.",
    "workers": "The worker processes that are alive.",
}
