"""Takes back the jobs of dead workers, and ends what did not heed its cancellation."""

import structlog

from service.jobs import endings, queue
from service.jobs.states import TERMINAL, Status
from workers.runtime import Runtime

log = structlog.get_logger()


async def rescue(runtime: Runtime) -> None:
    """Rescue until nothing is left to rescue; what waits again is offered at once."""
    while rows := await endings.rescue_dead(runtime.pool, runtime.settings.cancel_grace_seconds):
        for row in rows:
            runtime.dispatcher.changed(row["id"], row["tenant_id"])
            runtime.system.leases_expired.inc()
            if row["status"] in TERMINAL:
                runtime.system.finished(row["type"], row["status"]).inc()
            log.warning(
                "rescued from a lost worker",
                action="job.rescued",
                job_id=str(row["id"]),
                tenant_id=row["tenant_id"],
                status=row["status"],
                worker=row["worker_id"],
            )
            if row["status"] == Status.PENDING:
                runtime.dispatcher.nudge(queue.Message.of(row))
