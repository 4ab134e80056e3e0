"""`python -m fault_points worker` or `serve`: the service's own command, with one place in it where it dies.

FAULT_POINT names the place and which of its passes is the last: `after_claim:3`. Nothing of this is in the service:
the functions at these places are replaced in this process alone, before it starts. A replaced name that is no longer
there ends the process with an AttributeError, so that no point can be lost in silence.
"""

import os
from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from itertools import count
from typing import Any

from service.__main__ import main
from service.definitions import tick
from service.jobs import checkpoints, endings, reports, submit
from service.jobs.queue import Dispatcher
from service.notifications.courier import Courier
from workers import context, run_job

DIED = 77  # the exit code, to tell it from a fault of the service's own

# Where, and whether it dies before or after that.
OF_API: dict[str, tuple[Any, str, bool]] = {
    "after_commit_before_enqueue": (submit, "offer", False),
    "before_commit": (submit, "new_job", True),
    "after_enqueue": (Dispatcher, "_offer", True),
}
OF_WORKER: dict[str, tuple[Any, str, bool]] = {
    "after_claim": (run_job, "Lease", False),
    "in_a_fenced_transaction": (checkpoints, "save_checkpoint", True),
    "before_report": (reports, "report_if_held", False),
    "after_report": (reports, "report_if_held", True),
    "after_blob_before_row": (context, "insert_file", False),
    "after_blob_before_settle": (run_job, "Settlement", False),
    "before_settle": (endings, "settle_if_held", False),
    "after_settle": (endings, "settle_if_held", True),
    "after_rescue": (endings, "rescue_dead", True),
    "before_delivery": (Courier, "_try", False),
    "after_delivery_before_mark": (Courier, "_write", False),
    "after_mark": (Courier, "_write", True),
    "in_the_schedules_tick": (tick, "_advance", False),
    "at_the_end_of_the_tick": (tick, "_advance", True),
}


def dying_at(place: Callable[..., Any], passes: int, *, after: bool) -> Callable[..., Any]:
    """The same function, which ends the process at its so-many-th pass; a rescue of nothing is no pass."""
    passed = count(1)

    def pass_by(result: object = True) -> None:  # noqa: FBT002
        if result != [] and next(passed) == passes:
            os._exit(DIED)

    @wraps(place, updated=())
    async def asynchronous(*args: Any, **kwargs: Any) -> Any:
        if not after:
            pass_by()
        result = await place(*args, **kwargs)
        if after:
            pass_by(result)
        return result

    @wraps(place, updated=())
    def synchronous(*args: Any, **kwargs: Any) -> Any:
        if not after:
            pass_by()
        result = place(*args, **kwargs)
        if after:
            pass_by(result)
        return result

    return asynchronous if iscoroutinefunction(place) else synchronous


if __name__ == "__main__":
    if wanted := os.environ.get("FAULT_POINT"):
        point, _, number = wanted.partition(":")
        owner, name, after = (OF_API | OF_WORKER)[point]
        setattr(owner, name, dying_at(getattr(owner, name), int(number), after=after))
    main()
