"""Where the environment becomes settings, and errors become sentences and exit codes."""

import os
import sys
from collections.abc import Collection
from typing import NoReturn

from service.jobs.jobtype import JobTypes, JobTypesError, load_job_types
from service.settings import Settings, SettingsError
from service.telemetry.logs import configure_logs

BAD_SETTINGS = 2


def read_settings(required: Collection[str] = ()) -> Settings:
    """Read the settings and obey those for logs; with faults, print one a line and leave with 2."""
    try:
        settings = Settings.from_environ(os.environ, required)
    except SettingsError as error:
        leave("\n".join(error.faults), BAD_SETTINGS)
    configure_logs(settings)
    return settings


def installed_job_types(settings: Settings) -> JobTypes:
    """Load the job types; leave with 2 and a sentence when one cannot be loaded, or two have one code."""
    try:
        return load_job_types(settings.job_types)
    except JobTypesError as error:
        leave(f"The job types cannot be loaded: {error}.", BAD_SETTINGS)


def leave(sentence: str, code: int = 1) -> NoReturn:
    """End the command with a sentence for whoever ran it."""
    print(sentence, file=sys.stderr)
    sys.exit(code)
