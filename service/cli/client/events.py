"""Reading Server-Sent Events of a job."""

import json
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from urllib3.exceptions import HTTPError, ReadTimeoutError
from urllib3.response import BaseHTTPResponse

from service.cli.client.api import Api, part
from service.cli.client.ending import Code, Ended
from service.cli.client.retries import Patience

SILENCE_SECONDS = 35.0  # the server says something every ten
LONGEST_EVENT = 1 << 26


class Event(NamedTuple):
    """One event: its name, its id, if it has one, and its JSON."""

    name: str
    id: str | None
    data: Any


class TimeIsUp(Exception):
    """What was waited for has not come in time."""


def job_events(api: Api, job_id: str, ends: float | None) -> Iterator[Event]:
    """The events of a job until its last one, over as many connections as it takes.

    Raises TimeIsUp once the monotonic clock shows `ends`, and Ended when the server is away for too long.
    """
    path, last, patience = f"/api/jobs/{part(job_id)}/events", None, Patience()
    while True:
        left = _left(ends)
        try:
            response = api.send(
                "GET",
                path,
                headers={"Accept": "text/event-stream", **({"Last-Event-ID": last} if last else {})},
                seconds=left,
            )
            if response.status == 204:  # noqa: PLR2004 - no more will come
                response.drain_conn()
                yield Event("job", None, api.json("GET", f"/api/jobs/{part(job_id)}"))
                return
            for event in _read(response, ends):
                last, patience = event.id or last, Patience()
                yield event
        except (HTTPError, OSError) as error:
            if ends is not None and time.monotonic() >= ends:
                raise TimeIsUp from error
        pause = patience.pause(None)  # the server stops, or the connection broke: it goes on where it was
        if pause is None:
            raise Ended(f"{api.url} breaks off again and again.", Code.UNAVAILABLE)
        time.sleep(min(pause, _left(ends)))


def _left(ends: float | None) -> float:
    """How long to wait for the next word. Raises TimeIsUp."""
    if ends is None:
        return SILENCE_SECONDS
    left = ends - time.monotonic()
    if left <= 0:
        raise TimeIsUp
    return min(left, SILENCE_SECONDS)


def _read(response: BaseHTTPResponse, ends: float | None) -> Iterator[Event]:
    """The events of one response, as the HTML standard parses them; ends with the response."""
    name, event_id, data = "message", None, ""
    for line in _lines(response, ends):
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            name = value
        elif field == "id":
            event_id = value
        elif field == "data":
            data += value
        elif not line:
            if data:
                yield Event(name, event_id, json.loads(data))
            name, event_id, data = "message", None, ""


def _lines(response: BaseHTTPResponse, ends: float | None) -> Iterator[str]:
    rest = b""
    try:
        while chunk := _chunk(response, ends):
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                yield line.rstrip(b"\r").decode(errors="replace")
            if len(rest) > LONGEST_EVENT:
                raise Ended("The server sends an event without an end.")
    finally:
        response.close()


def _chunk(response: BaseHTTPResponse, ends: float | None) -> bytes:
    """The next bytes, as soon as there are any."""
    sock = getattr(response.connection, "sock", None)
    if sock is not None:
        sock.settimeout(_left(ends))
    try:
        return response.read1()
    except ReadTimeoutError:
        _left(ends)
        raise
