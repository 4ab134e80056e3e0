"""`lavori check-config`."""

from service.cli.front_door import BAD_SETTINGS, installed_job_types, leave, read_settings
from service.jobs.jobtype import JobTypesError
from service.jobs.types import shown_types
from service.settings import REQUIRED_OUTSIDE_DEV


def run() -> None:
    """Check what `serve` and `worker` check before they start."""
    job_types = installed_job_types(read_settings(REQUIRED_OUTSIDE_DEV))
    try:
        shown_types(job_types)
    except JobTypesError as error:
        leave(f"{error}.", BAD_SETTINGS)
    print(f"The settings are in order; job types: {', '.join(sorted(job_types))}.")
