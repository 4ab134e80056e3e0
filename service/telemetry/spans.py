"""Spans: what began and ended where, of one trace through all processes. docs/tracing.md lists them.

This module knows no library. Without a tracer, which service/telemetry/otel.py makes when it is switched on, no span
begins, and asking for one costs a look at a context variable.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Literal, Protocol

Kind = Literal["server", "producer", "consumer", "client"]
Attributes = Mapping[str, str | int]


class Span(Protocol):
    """Something that takes a while."""

    kind: Kind
    traceparent: str
    """What makes others its children, over the network too."""

    def note(self, attributes: Attributes) -> None:
        """Add attributes: facts of few bytes, never a secret, an argument or a path."""

    def fail(self, reason: str) -> None:
        """It was in vain; `reason` is one of few: a status, a code, the name of an exception."""

    def end(self) -> None:
        """It is over."""


class Tracer(Protocol):
    """What begins spans."""

    def begin(self, name: str, kind: Kind, parent: Span | str | None, attributes: Attributes) -> Span:
        """Begin one below a span of this process, or below a traceparent; a trace of its own without."""


_TRACER: ContextVar[Tracer | None] = ContextVar("tracer", default=None)
_SPAN: ContextVar[Span | None] = ContextVar("span", default=None)
_NO_SPAN = nullcontext()


def trace_with(tracer: Tracer) -> None:
    """Begin the spans of this task, and of all tasks that it starts, with this tracer."""
    _TRACER.set(tracer)


def is_traced() -> bool:
    """Whether there is a tracer."""
    return _TRACER.get() is not None


def span(
    name: str, kind: Kind, attributes: Attributes, *, parent: str | None = None
) -> AbstractContextManager[Span | None]:
    """A span for the time of the block: below `parent`, a traceparent, or else below the one we are in."""
    tracer = _TRACER.get()
    return (
        _NO_SPAN if tracer is None else _within(tracer.begin(name, kind, parent or _SPAN.get(), attributes))
    )


@contextmanager
def _within(begun: Span) -> Iterator[Span]:
    before = _SPAN.set(begun)
    try:
        yield begun
    except BaseException as error:
        begun.fail(type(error).__name__)
        raise
    finally:
        _SPAN.reset(before)
        begun.end()


@contextmanager
def entered(begun: Span) -> Iterator[None]:
    """What begins in this block is below a span that somebody else ends."""
    before = _SPAN.set(begun)
    try:
        yield
    finally:
        _SPAN.reset(before)


def begin(name: str, kind: Kind, attributes: Attributes, *, parent: str | None = None) -> Span | None:
    """A span that its caller ends, and that nothing is below of; None without a tracer."""
    tracer = _TRACER.get()
    return None if tracer is None else tracer.begin(name, kind, parent or _SPAN.get(), attributes)


def current() -> Span | None:
    """The span we are in."""
    return _SPAN.get()


def note(attributes: Attributes) -> None:
    """Add attributes to the span we are in."""
    if (here := _SPAN.get()) is not None:
        here.note(attributes)
