"""Many jobs in one call."""

import asyncio
from collections.abc import Sequence
from typing import Any

from service.access.principal import Principal
from service.jobs.core import Core
from service.jobs.submit import (
    Prepared,
    Submission,
    Submitted,
    begin_insert,
    count_failure,
    inserted,
    prepare,
    submit_job,
)
from service.telemetry.spans import is_traced

TURN = 256  # so many are prepared before the database may begin with them


async def submit_many(
    core: Core, principal: Principal, submissions: Sequence[Submission]
) -> list[Submitted | Exception]:
    """Submit all at the same time; answers, in order, what submit_job answers or raises for each.

    Most wait for nothing but their insert. These are prepared one after the other and inserted together: with a task
    for each, a batch takes a sixth longer.
    """
    ended: list[Submitted | Exception | None] = [None] * len(submissions)
    sent: list[tuple[int, Prepared, asyncio.Future[Any]]] = []
    alone = [place for place, one in enumerate(submissions) if is_traced() or not _is_plain(one)]
    under_way = asyncio.gather(*(_ended(core, principal, submissions[place]) for place in alone))
    for place in sorted(set(range(len(submissions))).difference(alone)):
        try:
            prepared = await prepare(core, principal, submissions[place])
            assert isinstance(prepared, Prepared)  # noqa: S101 - no attachment, so no answer before the insert
            sent.append((place, prepared, begin_insert(core, principal, prepared.job)))
        except Exception as error:  # noqa: BLE001 - it is this submission's answer
            count_failure(core, submissions[place], error)
            ended[place] = error
        if len(sent) % TURN == 0:
            await asyncio.sleep(0)
    for place, prepared, decided in sent:
        try:
            ended[place] = inserted(core, principal, prepared, await decided)
        except Exception as error:  # noqa: BLE001
            count_failure(core, submissions[place], error)
            ended[place] = error
    for place, one in zip(alone, await under_way, strict=True):
        ended[place] = one
    # Those whose key was taken: each by itself finds the job that has it.
    taken = [place for place, one in enumerate(ended) if one is None]
    again = await asyncio.gather(*(_ended(core, principal, submissions[place]) for place in taken))
    found = dict(zip(taken, again, strict=True))
    return [found[place] if one is None else one for place, one in enumerate(ended)]


def _is_plain(submission: Submission) -> bool:
    body = submission.body
    return not (isinstance(body, dict) and (body.get("definition") or body.get("attachment")))


async def _ended(core: Core, principal: Principal, submission: Submission) -> Submitted | Exception:
    try:
        return await submit_job(core, principal, submission)
    except Exception as error:  # noqa: BLE001 - it is this submission's answer
        return error
