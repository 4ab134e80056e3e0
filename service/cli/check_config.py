"""`lavori check-config`."""

import sys

from service.access.login import BACK
from service.app import DIALECTS
from service.cli.front_door import BAD_SETTINGS, can_trace, installed_job_types, leave, read_settings
from service.dialects.contract import switched_on
from service.jobs.jobtype import JobTypesError
from service.jobs.types import shown_types
from service.settings import REQUIRED_OUTSIDE_DEV, SettingsError


def run() -> None:
    """Check what `serve` and `worker` check before they start."""
    settings = read_settings(REQUIRED_OUTSIDE_DEV)
    job_types = installed_job_types(settings)
    try:
        switched_on(DIALECTS, settings.dialects)
        shown_types(job_types)
    except SettingsError as error:
        leave("\n".join(error.faults), BAD_SETTINGS)
    except JobTypesError as error:
        leave(f"{error}.", BAD_SETTINGS)
    if settings.otlp_endpoint is not None and not can_trace():
        print(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but spans go nowhere: install lavori[otel].", file=sys.stderr
        )
    if settings.oidc_client_id is not None:
        print(f"Logging in at OIDC_ISSUER needs this redirect URI there: {settings.public_url}{BACK}")
    print(f"The settings are in order; job types: {', '.join(sorted(job_types))}.")
