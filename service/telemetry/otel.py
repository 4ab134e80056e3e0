"""OpenTelemetry: spans go to a collector by OTLP over HTTP. The only module that imports it, and only when it is on.

A thread of the library's own sends them, in batches. It keeps at most 2,048 that wait (OTEL_BSP_MAX_QUEUE_SIZE), and
drops what is more: a collector that is away costs spans, and nothing else.
"""

import threading

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from service.telemetry.spans import Attributes, Kind, Span
from service.version import VERSION

CLOSE_SECONDS = 3.0
_KINDS = {
    "server": trace.SpanKind.SERVER,
    "producer": trace.SpanKind.PRODUCER,
    "consumer": trace.SpanKind.CONSUMER,
    "client": trace.SpanKind.CLIENT,
}


class OpenTelemetry:
    """The tracer of a process, as the standard environment variables have it."""

    def __init__(self, process: str) -> None:
        """`process` is its kind, api or worker; the service is `lavori`, unless OTEL_SERVICE_NAME has another name."""
        ours = Resource({SERVICE_NAME: "lavori", SERVICE_VERSION: VERSION, "lavori.process": process})
        self._provider = TracerProvider(
            resource=Resource.create().merge(ours).merge(OTELResourceDetector().detect()),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("lavori", VERSION)

    def begin(self, name: str, kind: Kind, parent: Span | str | None, attributes: Attributes) -> Span:
        """Begin one; whether it is recorded is its parent's to say, or OTEL_TRACES_SAMPLER's."""
        begun = self._tracer.start_span(name, _context(parent), _KINDS[kind], attributes)
        return _Begun(kind, begun)

    def close(self) -> None:
        """Send what waits, or give up after three seconds."""
        closing = threading.Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)


def _context(parent: Span | str | None) -> Context:
    if parent is None:
        return Context()
    header = parent if isinstance(parent, str) else parent.traceparent
    _, trace_id, span_id, flags = header.split("-")
    above = trace.SpanContext(
        int(trace_id, 16),
        int(span_id, 16),
        is_remote=isinstance(parent, str),
        trace_flags=trace.TraceFlags(int(flags, 16)),
    )
    return trace.set_span_in_context(trace.NonRecordingSpan(above), Context())


class _Begun:
    """A span, as spans.py has it."""

    def __init__(self, kind: Kind, begun: trace.Span) -> None:
        self.kind = kind
        self._span = begun
        here = begun.get_span_context()
        self.traceparent = f"00-{here.trace_id:032x}-{here.span_id:016x}-{here.trace_flags:02x}"

    def note(self, attributes: Attributes) -> None:
        self._span.set_attributes(attributes)

    def fail(self, reason: str) -> None:
        self._span.set_attribute("error.type", reason)
        self._span.set_status(trace.StatusCode.ERROR)

    def end(self) -> None:
        self._span.end()
