"""`lavori worker`: one worker process."""

import uvloop

from service.cli.front_door import installed_job_types, leave, read_settings, tracing
from service.cli.garbage import spare_the_collector
from service.errors import Unavailable
from service.settings import REQUIRED_OUTSIDE_DEV
from workers.main import run_worker


def run() -> None:
    """Run until a signal; run_worker listens for it and returns when it has drained."""
    settings = read_settings(REQUIRED_OUTSIDE_DEV)
    job_types = installed_job_types(settings)
    try:
        with tracing(settings, "worker"):
            spare_the_collector()
            uvloop.run(run_worker(settings, job_types))
    except Unavailable as error:
        leave(str(error))
