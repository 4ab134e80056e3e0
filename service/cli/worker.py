"""`lavori worker`: one worker process."""

import uvloop
from workers.main import run_worker

from service.cli.front_door import REQUIRED_OUTSIDE_DEV, read_settings
from service.jobs.jobtype import load_job_types


def run() -> None:
    """Run until a signal; run_worker listens for it and returns when it has drained."""
    settings = read_settings(REQUIRED_OUTSIDE_DEV)
    uvloop.run(run_worker(settings, load_job_types(settings.job_types)))
