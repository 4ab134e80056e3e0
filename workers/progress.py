"""Progress of all jobs of a process: one statement, at most four times a second; the last value lands."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import asyncpg
import structlog

from service.db.batch import ERRORS_OF_DATA
from service.db.clock import DatabaseClock
from service.db.pool import UNREACHABLE
from service.jobs import reports
from workers.lease import Lease
from workers.outcome import Stop

log = structlog.get_logger()

WINDOW_SECONDS = 0.25
RUNNING_OUTPUT_LIMIT = 1_000  # the hot row stays narrow
STATUS_TEXT_LIMIT = 100
MESSAGE_LIMIT = 8_192
TOOL_ID_LIMIT = 200
MESSAGES_A_WINDOW = 5_000
LEVELS = frozenset({"debug", "info", "warning", "error", "output"})


@dataclass(slots=True)
class Entry:
    """What one job reported since it was last written."""

    lease: Lease
    percent: int | None = None
    running_output: str | None = None
    status_text: str | None = None
    messages: list[tuple[datetime, str, str, str | None]] = field(default_factory=list)
    dropped: int = 0

    def report(self) -> reports.Report:
        """The row of reports.REPORT."""
        return reports.Report(
            self.lease.job_id,
            self.lease.lease_id,
            self.percent,
            self.running_output,
            self.status_text,
            len(self.messages),
        )

    def lines(self) -> list[reports.Message]:
        """The rows of job_messages, numbered from 1."""
        return [
            reports.Message(self.lease.lease_id, n, *message) for n, message in enumerate(self.messages, 1)
        ]


class ProgressBook:
    """Collects reports and writes them."""

    def __init__(
        self, pool: asyncpg.Pool, changed: Callable[[UUID, int], None], clock: DatabaseClock
    ) -> None:
        self._pool = pool
        self._changed = changed
        self._clock = clock
        self._entries: dict[Lease, Entry] = {}
        self._being_written: dict[Lease, Entry] = {}
        self._dirty = asyncio.Event()
        self._writing = asyncio.Lock()

    def progress(
        self, lease: Lease, percent: float | None, running_output: str | None, status_text: str | None
    ) -> None:
        """Note how far a job is: percent is kept between 0 and 99 (100 is `finished` alone) and never falls."""
        entry = self._entry(lease)
        if percent is not None:
            entry.percent = max(entry.percent or 0, min(99, int(percent)), 0)
        if running_output is not None:
            entry.running_output = clean(running_output, RUNNING_OUTPUT_LIMIT)
        if status_text is not None:
            entry.status_text = clean(status_text, STATUS_TEXT_LIMIT)

    def message(self, lease: Lease, level: str, text: str, tool_id: str | None) -> None:
        """Add a line to a job's messages; past 5,000 in one window they are counted, not kept.

        Raises ValueError for a level that there is not.
        """
        if level not in LEVELS:
            raise ValueError(f"a message's level is one of {', '.join(sorted(LEVELS))}, not {level!r}")
        entry = self._entry(lease)
        if len(entry.messages) >= MESSAGES_A_WINDOW:
            entry.dropped += 1
            return
        tool = clean(tool_id, TOOL_ID_LIMIT) if tool_id is not None else None
        entry.messages.append((self._clock.now(), level, clean(text, MESSAGE_LIMIT), tool))

    async def take(self, lease: Lease) -> Entry | None:
        """What is still unwritten of a job that ends: its settlement carries it. Waits for a write under way."""
        if lease in self._being_written:
            async with self._writing:
                pass
        entry = self._entries.pop(lease, None)
        return self._with_dropped(entry) if entry else None

    async def run(self) -> None:
        """Write what comes in, until cancelled."""
        while True:
            await self._dirty.wait()
            await self._write()
            await asyncio.sleep(WINDOW_SECONDS)

    def _with_dropped(self, entry: Entry) -> Entry:
        if entry.dropped:
            told = f"{entry.dropped} messages came too fast and were dropped"
            entry.messages.append((self._clock.now(), "warning", told, None))
            entry.dropped = 0
        return entry

    def _entry(self, lease: Lease) -> Entry:
        entry = self._entries.get(lease)
        if entry is None:
            entry = self._entries[lease] = Entry(lease)
            self._dirty.set()
        return entry

    async def _write(self) -> None:
        async with self._writing:
            self._dirty.clear()
            self._being_written, self._entries = self._entries, {}
            entries = [
                self._with_dropped(entry) for entry in self._being_written.values() if not entry.lease.lost
            ]
            try:
                if entries:
                    await self._report(entries)
            except (*UNREACHABLE, asyncpg.PostgresError) as error:
                log.warning(
                    "progress can't be written",
                    action="progress.failed",
                    error=f"{type(error).__name__}: {error}",
                )
                self._put_back(entries)
            finally:
                self._being_written = {}

    async def _report(self, entries: list[Entry]) -> None:
        """Write these reports; one that PostgreSQL refuses must not keep the others from it, and is given up."""
        try:
            held = await reports.report_if_held(
                self._pool,
                [entry.report() for entry in entries],
                [line for entry in entries for line in entry.lines()],
            )
        except ERRORS_OF_DATA:
            if len(entries) == 1:
                log.exception(
                    "a report was refused", action="progress.refused", job_id=str(entries[0].lease.job_id)
                )
                return
            for entry in entries:
                await self._report([entry])
            return
        for entry in entries:
            if entry.lease.lease_id in held:
                self._changed(entry.lease.job_id, entry.lease.tenant_id)
            else:
                entry.lease.stop(Stop.LEASE_LOST)

    def _put_back(self, entries: list[Entry]) -> None:
        """Keep for the next window what could not be written; what came in meanwhile is newer."""
        for old in entries:
            new = self._entry(old.lease)
            new.percent = (
                max(new.percent or 0, old.percent or 0)
                if new.percent is not None or old.percent is not None
                else None
            )
            new.running_output = new.running_output or old.running_output
            new.status_text = new.status_text or old.status_text
            new.messages[:0] = old.messages


def clean(text: str, limit: int) -> str:
    """Text that PostgreSQL takes: no NUL, no lone surrogates, at most `limit` characters."""
    short = text if len(text) <= limit else text[: limit - 1] + "…"
    return short.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
