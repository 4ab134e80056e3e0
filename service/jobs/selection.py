"""What a caller asked to see of a job: `fields`."""

import orjson

from service.errors import Malformed
from service.web.payload import dumps


def only(body: bytes, names: list[str]) -> bytes:
    """The named members of a rendered job. Raises Malformed for a name that no job has."""
    job = orjson.loads(body)
    if unknown := [name for name in names if name not in job]:
        raise Malformed(f"fields: a job has no {', '.join(unknown)[:100]}; it has {', '.join(job)}")
    return dumps({name: job[name] for name in names})
