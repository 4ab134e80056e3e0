"""How people name a job: by its id, or by its number."""

import re

from service.cli.client.api import Api, part
from service.cli.client.ending import Code, Ended

NUMBER = re.compile(r"#?([0-9]{1,18})")


def job_id_of(api: Api, ref: str) -> str:
    """The id of a job; one question more for a number. Raises Ended."""
    found = NUMBER.fullmatch(ref)
    if not found:
        return ref
    jobs = api.json("GET", "/api/jobs", query={"number": found[1], "fields": "id", "limit": 1})["jobs"]
    if not jobs:
        raise Ended(f"There is no job number {found[1]}.", Code.NOT_FOUND)
    return str(jobs[0]["id"])


def job_path(api: Api, ref: str) -> str:
    """The path of a job. Raises Ended."""
    return f"/api/jobs/{part(job_id_of(api, ref))}"
