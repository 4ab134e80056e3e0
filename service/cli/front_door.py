"""Where the environment becomes settings, and errors become sentences and exit codes."""

import os
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import NoReturn

import structlog

from service.jobs.jobtype import JobTypes, JobTypesError, load_job_types
from service.settings import Settings, SettingsError
from service.telemetry.logs import configure_logs
from service.telemetry.spans import trace_with

log = structlog.get_logger()

BAD_SETTINGS = 2


def read_settings(required: Collection[str] = ()) -> Settings:
    """Read the settings and obey those for logs; with faults, print one a line and leave with 2."""
    try:
        settings = Settings.from_environ(os.environ, required)
    except SettingsError as error:
        leave("\n".join(error.faults), BAD_SETTINGS)
    configure_logs(settings)
    return settings


@contextmanager
def tracing(settings: Settings, process: str) -> Iterator[None]:
    """Send the spans of this process, `api` or `worker`, to the endpoint of the settings, if there is one."""
    if settings.otlp_endpoint is None:
        yield
    elif not can_trace():
        log.warning("spans go nowhere: install lavori[otel]", action="tracing.not_installed")
        yield
    else:
        from service.telemetry.otel import OpenTelemetry  # noqa: PLC0415 - an extra, and slow to load

        tracer = OpenTelemetry(process)
        trace_with(tracer)
        try:
            yield
        finally:
            tracer.close()


def can_trace() -> bool:
    """Whether what lavori[otel] brings is installed."""
    try:
        return find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:  # nor is what it lies in
        return False


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
