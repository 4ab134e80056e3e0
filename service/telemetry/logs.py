"""Where log lines go, and how they look. docs/logs.md lists every action; a test holds it against the code.

Every line, those of libraries too, takes one way: the facts that are bound to its task join it, it is rendered (JSON,
or text for people) and handed to a thread that redacts it and writes it to stderr. A request's line costs a few
microseconds that way, and nothing at all above level info.
"""

import logging
import sys
from collections.abc import Callable, Iterator, MutableMapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import orjson
import structlog

from service.settings import Settings
from service.telemetry.redaction import Redaction
from service.telemetry.writer import Writer

Line = MutableMapping[str, Any]

_BOUND: ContextVar[dict[str, object]] = ContextVar("bound")
_NOTHING: dict[str, object] = {}
_SECRET_NAMES = frozenset({"authorization", "cookie", "password", "secret", "token", "admin_key", "args"})


def bind(**facts: object) -> None:
    """Put these facts on every line of this task from now on, and of the tasks that it starts; older ones are gone."""
    _BOUND.set(facts)


def bind_more(**facts: object) -> None:
    """Put these facts on every line too, beside those that are bound already."""
    bound = _BOUND.get(None)
    if bound is None:
        _BOUND.set(facts)
    else:
        bound.update(facts)  # a task that was started meanwhile learns of them too


def direct_info() -> Callable[[Line], None] | None:
    """Write a line of level info the way that all lines go, without structlog's own steps; None where none is wanted.

    Those steps cost as much again as all of ours, which is too much for a line a request. Ask after configure_logs.
    """
    if not structlog.get_logger().bind().is_enabled_for(logging.INFO):
        return None
    config = structlog.get_config()
    processors, write = config["processors"], config["logger_factory"]().msg

    def info(event: Line) -> None:
        line: Any = event
        for process in processors:
            line = process(None, "info", line)
        write(line)

    return info


def configure_logs(settings: Settings) -> None:
    """Write lines of the settings' level and above to stderr, and libraries' warnings too."""
    threshold = logging.getLevelNamesMapping()[settings.log_level.upper()]
    for_people = settings.log_format == "text" or (settings.log_format == "auto" and sys.stderr.isatty())
    render = [_Text()] if for_people else [structlog.processors.format_exc_info, _json]
    writer = Writer(sys.stderr.fileno(), _dropped, Redaction(_secrets(settings)).joined)
    logging.basicConfig(handlers=[_Libraries()], level=max(threshold, logging.WARNING), force=True)
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[_complete, *render],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=lambda *_: _Out(writer),
        cache_logger_on_first_use=True,
    )


def _secrets(settings: Settings) -> Iterator[str]:
    """The secrets of the settings, which are hidden wherever they turn up."""
    yield from settings.secret_keys
    yield from filter(None, (settings.admin_key, settings.metrics_token, settings.oidc_client_secret))
    for url in filter(None, (settings.database_url, settings.redis_url, settings.smtp_url)):
        yield urlsplit(url).password or ""


class _Out:
    """What structlog calls with a rendered line."""

    def __init__(self, writer: Writer) -> None:
        self.debug = self.info = self.warning = self.error = self.critical = self.msg = writer.put


def _complete(_: object, level: str, event: Line) -> Line:
    """Add the time, the level and what is bound; hide what is secret by its name."""
    if not _SECRET_NAMES.isdisjoint(event):
        event.update(dict.fromkeys(_SECRET_NAMES & event.keys(), "***"))
    return {"timestamp": datetime.now(UTC), "level": level, **_BOUND.get(_NOTHING), **event}


_JSON = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS


def _json(_: object, __: str, event: Line) -> bytes:
    try:
        return orjson.dumps(event, str, _JSON)
    except TypeError:  # a lone surrogate, a huge integer
        return orjson.dumps({name: _plain(value) for name, value in event.items()}, str, _JSON)


def _plain(value: object) -> object:
    if isinstance(value, datetime | float | bool | None):
        return value
    return str(value).encode(errors="backslashreplace").decode()


class _Text:
    """A line for people, in colours on a terminal."""

    def __init__(self) -> None:
        self._render = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            exception_formatter=structlog.dev.plain_traceback,  # never shows the values of variables
            pad_event_to=0,
            pad_level=False,
        )

    def __call__(self, logger: object, level: str, event: Line) -> bytes:
        event["timestamp"] = event["timestamp"].isoformat(timespec="milliseconds")[:23] + "Z"
        return (self._render(logger, level, event) + "\n").encode(errors="backslashreplace")


def _dropped(count: int) -> bytes:
    return _json(
        None,
        "",
        _complete(None, "error", {"action": "logs.dropped", "event": "lines dropped", "count": count}),
    )


class _Libraries(logging.Handler):
    """Sends what libraries log by the standard means down the same pipe."""

    _log = structlog.get_logger()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            levels = ("debug", "info", "warning", "error", "critical")
            level = levels[min(max(record.levelno // 10, 1), 5) - 1]
            tell = getattr(self._log, level)
            tell(record.getMessage(), action="library", logger=record.name, exc_info=record.exc_info)
        except Exception:  # noqa: BLE001 - as the standard library has it
            self.handleError(record)
