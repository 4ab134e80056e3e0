"""The args of a job after a change, in which a `***` keeps the secret that it stands for."""

from collections.abc import Callable
from typing import Any

import orjson

from service.db.connection import Executor
from service.errors import Fault, Invalid
from service.jobs.core import Core
from service.jobs.job import Row
from service.jobs.secret_args import Kept, filled_in, has_secrets, keep_args, place_of
from service.jobs.store import sealed_args
from service.sealing import Unsealable
from service.web.encoding import dumps
from service.web.payload import load

Change = Callable[[str], dict[str, Any]]
"""What becomes of args (JSON), secrets included."""


async def new_args(connection: Executor, core: Core, row: Row, change: Change) -> Kept:
    """The args of a job (a row of store.READ) as they are to be kept. Raises Invalid."""
    sealed = await sealed_args(connection, row["tenant_id"], row["id"])
    job_type = core.job_types.get(row["type"])
    if job_type is None:
        if sealed is not None:
            missing = f"the job type {row['type']}, which has secret args, is not installed"
            raise Invalid([Fault("#/args", missing)])
        return Kept(dumps(change(row["args"])).decode(), None)
    if not has_secrets(job_type.params):
        args = change(row["args"])
        load(job_type.params, args, "#/args")
        return Kept(dumps(args).decode(), None)
    former, secrets, place = row["args"], None, place_of(row["tenant_id"], row["id"])
    if sealed is not None:
        try:
            former = core.sealer.open(sealed, place)
            secrets = orjson.loads(former)
        except Unsealable:
            pass  # whatever was secret has to be given anew: each *** that is left is a fault
    args = filled_in(job_type.params, change(former), secrets)
    return keep_args(core.sealer, job_type.params, args, place)
