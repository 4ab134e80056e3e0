"""What all commands for users share: the options of the connection and the format, and how they end."""

import inspect
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, wraps
from typing import Annotated, Any

import typer

from service.cli.client.ending import Code, Ended
from service.cli.client.output import Format
from service.cli.client.profiles import Profile, chosen, path_of, read_profiles

PANEL = "Connection and output"


def _shared(
    output: Annotated[
        Format, typer.Option("--output", "-o", help="How data is written.", rich_help_panel=PANEL)
    ] = Format.TABLE,
    profile: Annotated[
        str | None,
        typer.Option("--profile", "-p", help="A profile of `lavori login`.", rich_help_panel=PANEL),
    ] = None,
    url: Annotated[
        str | None, typer.Option("--url", help="The server, instead of the profile's.", rich_help_panel=PANEL)
    ] = None,
) -> None:
    """The options that each command has."""


class Asked:
    """How a command was asked for: the server, the format, and what to say at Ctrl-C."""

    def __init__(self, output: Format, profile: str | None, url: str | None) -> None:
        self.output, self.profile_name, self.url = output, profile, url
        self.when_interrupted = ""

    @cached_property
    def server(self) -> Profile:
        """The server and the key; raises Ended where the profile is not to be had."""
        return chosen(read_profiles(path_of(os.environ)), os.environ, self.profile_name, self.url)

    @cached_property
    def api(self) -> "Any":
        """HTTP with the server."""
        from service.cli.client.api import Api  # noqa: PLC0415, it takes longest to load

        return Api(self.server.url, self.server.token)


def command(app: typer.Typer, name: str | None = None, **how: Any) -> Callable[[Callable[..., None]], Any]:
    """Make a command of a function that takes an Asked and parameters of its own."""

    def register(run: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(run).parameters.values())[1:]
        shared = list(inspect.signature(_shared).parameters.values())

        @wraps(run)
        def called(**given: Any) -> None:
            asked = Asked(*(given.pop(one.name) for one in shared))
            with ending(asked):
                run(asked, **given)

        called.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in (*own, *shared)]
        )
        called.__annotations__ = {one.name: one.annotation for one in (*own, *shared)}
        app.command(name, **how)(called)
        return run

    return register


@contextmanager
def ending(asked: Asked) -> Iterator[None]:
    """Make sentences and exit codes of what ends a command."""
    _as_utf8()
    try:
        yield
        sys.stdout.flush()
    except Ended as ended:
        _flush()
        say(ended.sentence)
        raise typer.Exit(ended.code) from ended
    except KeyboardInterrupt:
        _flush()
        say(asked.when_interrupted or "Interrupted.")
        raise typer.Exit(Code.INTERRUPTED) from None
    except BrokenPipeError:
        # Whoever read has enough, as `head` does. What is still to be flushed at exit goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(Code.FINE) from None


def say(text: str) -> None:
    """Talk to whoever ran the command, on stderr."""
    if text:
        print(text, file=sys.stderr, flush=True)


def _flush() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _as_utf8() -> None:
    """Data is UTF-8, whatever the locale says; a terminal gets what it can show."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="replace")
