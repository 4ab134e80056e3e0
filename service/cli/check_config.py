"""`lavori check-config`."""

from service.cli.front_door import installed_job_types, read_settings
from service.settings import REQUIRED_OUTSIDE_DEV


def run() -> None:
    """Check what `serve` and `worker` check before they start."""
    job_types = installed_job_types(read_settings(REQUIRED_OUTSIDE_DEV))
    print(f"The settings are in order; job types: {', '.join(sorted(job_types))}.")
