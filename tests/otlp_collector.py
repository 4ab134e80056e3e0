"""A collector of OpenTelemetry: takes spans by OTLP over HTTP, and may be one that never answers."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

KINDS = {2: "server", 3: "client", 4: "producer", 5: "consumer"}


@dataclass(frozen=True, slots=True)
class Seen:
    """A span as it came in; ids in hexadecimal digits, `parent` empty for a root."""

    name: str
    kind: str
    trace: str
    id: str
    parent: str
    process: str
    attributes: dict[str, Any]
    failed: bool


@dataclass(slots=True)
class Collector:
    """What has come in; while `mute`, it takes requests and never answers."""

    url: str = ""
    spans: list[Seen] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    asked: int = 0
    mute: bool = False

    async def take(self, request: web.Request) -> web.Response:
        self.asked += 1
        body = await request.read()
        if self.mute:
            await asyncio.sleep(3600)
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        body = gzip.decompress(body) if request.headers.get("Content-Encoding") == "gzip" else body
        for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            resource = _plain(of_resource.resource.attributes)
            assert resource["service.name"] == "lavori"
            for of_scope in of_resource.scope_spans:
                self.spans += [_seen(span, resource["lavori.process"]) for span in of_scope.spans]
        return web.Response(
            body=ExportTraceServiceResponse().SerializeToString(), content_type="application/x-protobuf"
        )

    async def until(self, *names: str, seconds: float = 20) -> list[Seen]:
        """Wait for one span of each name, and give the first of each."""
        async with asyncio.timeout(seconds):
            while not set(names) <= {span.name for span in self.spans}:
                await asyncio.sleep(0.02)
        return [next(span for span in self.spans if span.name == name) for name in names]


def _plain(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


def _seen(span: Any, process: str) -> Seen:
    assert span.start_time_unix_nano < span.end_time_unix_nano
    return Seen(
        name=span.name,
        kind=KINDS[span.kind],
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        process=process,
        attributes=_plain(span.attributes),
        failed=span.status.code == span.status.STATUS_CODE_ERROR,
    )


@asynccontextmanager
async def otlp_collector() -> AsyncIterator[Collector]:
    collector = Collector()
    app = web.Application()
    app.router.add_post("/v1/traces", collector.take)
    async with TestServer(app, handler_cancellation=True) as server:
        collector.url = f"http://127.0.0.1:{server.port}"
        yield collector
