"""`lavori api`: any call, with the key, the retries and the exit codes of all other commands."""

import json
import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from service.cli.client import harmless
from service.cli.client.args import args_of
from service.cli.client.command import Asked, command
from service.cli.client.ending import Code, Ended
from service.cli.client.output import put
from service.cli.client.problems import refusal

CHUNK = 1 << 16
MOST_OF_A_PROBLEM = 1 << 20
FIRST_REFUSAL = 400


def add(app: typer.Typer) -> None:
    """Add the command."""
    command(app)(api)


def api(
    asked: Asked,
    method: Annotated[str, typer.Argument(metavar="METHOD", help="GET, POST, …")],
    path: Annotated[str, typer.Argument(metavar="/PATH", help="For instance /api/me.")],
    *,
    field: Annotated[
        list[str] | None,
        typer.Option("--field", "-f", metavar="NAME=VALUE", help="A member of a JSON body; NAME:=JSON too."),
    ] = None,
    input_: Annotated[
        str | None, typer.Option("--input", metavar="FILE", help="The whole body; - for stdin.")
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option("--header", "-H", metavar="NAME: VALUE", help="A header.")
    ] = None,
    include: Annotated[bool, typer.Option("--include", "-i", help="Show status and headers too.")] = False,
) -> None:
    """Call the API, and write its answer as it is."""
    if field and input_:
        raise Ended("--field and --input are two bodies: give one.", Code.USAGE)
    headers = _headers(header or [])
    body = json.dumps(args_of(field, None)).encode() if field else _read(input_)
    if body is not None and not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = "application/json"
    repeatable = any(name.lower() == "idempotency-key" for name in headers) or None
    response = asked.api.send(
        method.upper(), path, body=body, headers=headers, repeatable=repeatable, refuse=False
    )
    if include:
        told = "".join(f"{name}: {value}\n" for name, value in response.headers.items())
        put(harmless.lines(f"HTTP {response.status}\n{told}\n"))
    if response.status >= FIRST_REFUSAL:
        body = response.read(MOST_OF_A_PROBLEM)
        _write(body)
        raise refusal(response.status, response.reason, body, response.headers.get("X-Request-Id"))
    if sys.stdout.isatty():
        _write(response.read())
    else:
        sys.stdout.flush()
        for chunk in response.stream(CHUNK):
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()  # events are read as they come


def _headers(words: list[str]) -> dict[str, str]:
    headers = {}
    for word in words:
        name, colon, value = word.partition(":")
        if not colon or not re.fullmatch(r"[A-Za-z0-9-]+", name) or not value.isprintable():
            raise Ended(f"--header takes `Name: value`, not {word!r}.", Code.USAGE)
        headers[name] = value.strip()
    return headers


def _read(name: str | None) -> bytes | None:
    if name is None:
        return None
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise Ended(f"{name} cannot be read: {error.strerror}.") from error


def _write(body: bytes) -> None:
    """As it is; on a terminal JSON is laid out, and nothing in it is obeyed."""
    if not sys.stdout.isatty():
        sys.stdout.flush()
        sys.stdout.buffer.write(body)
        return
    try:
        text = harmless.in_json(json.dumps(json.loads(body), indent=2, ensure_ascii=False))
    except ValueError:
        text = harmless.lines(body.decode(errors="replace"))
    put(text if text.endswith("\n") or not text else text + "\n")
