"""Where log lines go, and how they look."""

import logging
import sys

import structlog

LIBRARIES = "%(asctime)s [%(levelname)s] %(name)s: %(message)s"


def configure_logs(level: str) -> None:
    """Write lines of `level` (debug, info, warning or error) and above to stderr, and libraries' warnings too."""
    threshold = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(
        stream=sys.stderr, level=max(threshold, logging.WARNING), format=LIBRARIES, force=True
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                exception_formatter=structlog.dev.plain_traceback,  # never shows the values of variables
                pad_event_to=0,
                pad_level=False,
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
