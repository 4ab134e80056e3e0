"""`lavori dev`, which `make run` calls: the whole system on this machine."""

import asyncio
import os
import sys

from service.app import DIALECTS
from service.cli.front_door import BAD_SETTINGS, installed_job_types, leave, read_settings
from service.db.migrate import MigrationError
from service.dev.child import DevError
from service.dev.kept import Secrets
from service.dev.system import address, run_system
from service.dev.terminal import own_foreground
from service.dialects.contract import switched_on
from service.settings import SettingsError

BANNER = """\
Lavori runs. Ctrl-C ends it.

  dashboard  {dashboard}
  API        {address}/api
  docs       {address}/api/doc
  admin key  {key}

Import the sample of payment dues:

  curl -s -H "Authorization: Bearer {key}" -F '{job};type=application/json' \
-F 'attachment=@docs/examples/dovuti.csv;type=text/csv' {address}/api/jobs
"""
JOB = 'job={"type":"import_dovuti","args":{"service_id":"5f0c3c1e-6f0b-4a0e-9f39-1d1b7a6a2a11"}}'


def run() -> None:
    """Run until Ctrl-C; leave with 0 after a stop that was asked for, with 1 and a sentence otherwise."""
    settings = read_settings()
    # Children that find fault with these would be started again and again.
    installed_job_types(settings)
    try:
        switched_on(DIALECTS, settings.dialects)
    except SettingsError as error:
        leave("\n".join(error.faults), BAD_SETTINGS)

    def on_ready(secrets: Secrets, ticket: str) -> None:
        here = address(settings)
        # The ticket logs one browser in, once; behind the # it never reaches a server's or a proxy's log.
        dashboard = f"{here}/#ticket={ticket}" if ticket else here
        print(BANNER.format(dashboard=dashboard, address=here, key=secrets.admin, job=JOB), flush=True)

    try:
        with own_foreground(os.environ):
            asyncio.run(run_system(settings, os.environ, on_line, on_ready))
    except (DevError, MigrationError) as error:
        leave(str(error))
    except OSError as error:
        leave(f"{error.filename or settings.data}: {error.strerror or error}.")


def on_line(line: str) -> None:
    """Show what a child printed, or what happened to it."""
    print(line, file=sys.stderr, flush=True)
