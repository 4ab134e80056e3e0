"""What is counted and measured. docs/metrics.md lists it; a test holds the list against a scrape.

There are two sets. `ApiMetrics` are one API process's own. `SystemMetrics` happen in every process; they are added up
in PostgreSQL (service/db/metric_sums.py), so that a scrape of any API process tells of all workers, which have no port.
Labels have few values, ever: a type, a status, a route's template; never a tenant, a job or a user.
"""

from functools import cache
from platform import python_version

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, disable_created_metrics

from service.telemetry.request_times import RequestTimes
from service.version import VERSION

disable_created_metrics()  # type: ignore[no-untyped-call]

_BRIEF = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LONG = (0.005, 0.02, 0.1, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0)


class SystemMetrics:
    """Of the whole system. The buckets of these histograms are kept in PostgreSQL: to change them, rename it."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.finished = cache(
            Counter(
                "jobs_finished", "Jobs that reached a terminal status.", ["type", "status"], registry=registry
            ).labels
        )
        self.queue_wait = Histogram(
            "jobs_queue_wait_seconds",
            "From the time that a job was due until a worker took it.",
            buckets=_LONG,
            registry=registry,
        )
        self.run_duration = Histogram(
            "jobs_run_duration_seconds",
            "From the claim of an attempt to its end, whatever that was.",
            buckets=_LONG,
            registry=registry,
        )
        self.scheduler_lag = Histogram(
            "scheduler_lag_seconds",
            "How late schedules fire.",
            buckets=_LONG,
            registry=registry,
        )
        self.notice_tries = cache(
            Counter(
                "outbox_tries", "Tries to deliver a notice.", ["kind", "outcome"], registry=registry
            ).labels
        )
        self.leases_expired = Counter(
            "jobs_leases_expired", "Jobs taken back from a worker whose lease ran out.", registry=registry
        )
        self.purged = cache(
            Counter(
                "purged", "What was deleted because its time was over.", ["kind"], registry=registry
            ).labels
        )
        self.fenced_writes = Counter(
            "jobs_fenced_writes", "Writes refused because their lease was lost.", registry=registry
        )


class ProcessMetrics:
    """How well a process breathes: `process` is its kind, api or worker."""

    def __init__(self, registry: CollectorRegistry, process: str) -> None:
        self.loop_lag = Histogram(
            "event_loop_lag_seconds",
            "How late the event loop wakes who sleeps.",
            ["process"],
            buckets=_BRIEF,
            registry=registry,
        ).labels(process)
        self.pool_wait = Histogram(
            "db_pool_wait_seconds",
            "Waiting for a connection of the pool.",
            ["process"],
            buckets=_BRIEF,
            registry=registry,
        ).labels(process)


class ApiMetrics:
    """Of one API process, and what it reads from the database at a scrape."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.process = ProcessMetrics(registry, "api")
        self.request_times = RequestTimes()
        registry.register(self.request_times)
        self.submitted = cache(
            Counter(
                "jobs_submitted",
                "Jobs asked for: created, replayed (the idempotency key was known), refused or failed.",
                ["type", "outcome"],
                registry=registry,
            ).labels
        )
        self.downloads = cache(
            Counter(
                "links_downloads",
                "Downloads by link: begun, continued, or the code of the refusal.",
                ["scope", "outcome"],
                registry=registry,
            ).labels
        )
        self.queue_depth = Gauge(
            "jobs_queue_depth", "Jobs that are due and wait.", ["queue"], registry=registry
        )
        self.oldest_waiting = Gauge(
            "jobs_oldest_waiting_age_seconds",
            "How long the job that waits longest has been due.",
            ["queue"],
            registry=registry,
        )
        self.running = Gauge("jobs_running", "Jobs that run.", registry=registry)
        self.outbox_pending = Gauge(
            "outbox_pending", "Notices that are to be delivered.", ["kind"], registry=registry
        )
        self.outbox_oldest = Gauge(
            "outbox_oldest_age_seconds", "How long the oldest of them has been owed.", registry=registry
        )
        self.waiters = Gauge("waiters", "Clients that wait for a change.", ["kind"], registry=registry)
        Info("build", "The version that runs.", registry=registry).info(
            {"version": VERSION, "python": python_version()}
        )


METRICS = web.AppKey("metrics", ApiMetrics)
SYSTEM = web.AppKey("system_metrics", SystemMetrics)
