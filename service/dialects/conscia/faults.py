"""Where a fault of a native body stands in the body that Conscia's client sent. Pure."""

from collections.abc import Iterator
from contextlib import contextmanager

from service.dialects.conscia import wire
from service.errors import Fault, Invalid

_NAMES = {ours: name for name, ours in wire.DEFINITION.items()}
_OF_OPTIONS = {ours: name for name, ours in wire.OPTIONS.items()}


@contextmanager
def pointing_below(root: str) -> Iterator[None]:
    """Let the faults that are raised in the block point to members of `root`: `#/jobDefinition`, or `#`."""
    try:
        yield
    except Invalid as error:
        raise type(error)([Fault(_pointer(one.pointer, root), one.detail) for one in error.faults]) from None


def _pointer(native: str, root: str) -> str:
    """`#/options/email_list/0` as `{root}/options/emailList/0`."""
    _, *steps = native.split("/")
    if len(steps) > 1 and steps[0] == "options":
        steps[1] = _OF_OPTIONS.get(steps[1], steps[1])
    return "/".join([root, *(_NAMES.get(step, step) for step in steps[:1]), *steps[1:]])
