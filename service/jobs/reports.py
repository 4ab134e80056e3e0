"""What a worker tells of jobs that it runs: progress and messages, for as long as it holds their leases."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg


class Report(NamedTuple):
    """Progress of one job since the last report; the type report in schema.sql. None leaves a column as it is."""

    job_id: UUID
    lease_id: UUID
    percent: int | None
    running_output: str | None
    status_text: str | None
    messages: int


class Message(NamedTuple):
    """One line of a job's log; the type said in schema.sql. `ordinal` counts from 1 within its report."""

    lease_id: UUID
    ordinal: int
    time: datetime
    level: str
    text: str
    tool_id: str | None


# Messages draw their numbers from the job's version under its lock, so a reader who saw n never misses one below n.
REPORT = """
WITH report AS (
    SELECT report.* FROM unnest($1::report[]) AS report
    JOIN jobs ON jobs.id = report.job_id AND jobs.lease_id = report.lease_id
    ORDER BY jobs.id FOR NO KEY UPDATE OF jobs
), touched AS (
    UPDATE jobs SET percent_completed = greatest(jobs.percent_completed, report.percent),
                    running_output = coalesce(report.running_output, jobs.running_output),
                    status_text = coalesce(report.status_text, jobs.status_text),
                    version = jobs.version + report.messages + 1, updated_at = now()
    FROM report WHERE jobs.id = report.job_id
    RETURNING jobs.id, jobs.lease_id, jobs.version - report.messages - 1 AS before
), told AS (
    INSERT INTO job_messages (job_id, seq, time, level, text, tool_id)
    SELECT touched.id, touched.before + said.ordinal, said.time, said.level, said.text, said.tool_id
    FROM unnest($2::said[]) AS said
    JOIN touched ON touched.lease_id = said.lease_id
)
SELECT lease_id FROM touched
"""


async def report_if_held(
    connection: asyncpg.Pool, reports: Sequence[Report], messages: Sequence[Message]
) -> set[UUID]:
    """Write progress and messages of many jobs in one statement; answers the leases that are still held."""
    rows = await connection.fetch(REPORT, reports, messages)
    return {row["lease_id"] for row in rows}
