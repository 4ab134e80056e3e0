"""What a mail says of a job, in English and Italian: plain text, and the same as simple HTML. Pure.

Whatever people have written (descriptions, names, texts of errors) stands in it as one line of text: no line break
reaches a header, no markup reaches the HTML.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from html import escape
from typing import Any
from uuid import UUID

LONGEST_LINE = 1_000
LONGEST_SUBJECT = 150
_NO_TEXT = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\s]+"
)


@dataclass(frozen=True, slots=True)
class Words:
    """One language."""

    ends: Mapping[str, str]
    job: str
    type: str
    description: str
    started: str
    ended: str
    output: str
    error: str
    download: str
    until: str
    time: str


WORDS = {
    "en": Words(
        {"finished": "has finished", "failed": "has failed", "cancelled": "was cancelled"},
        job="Job", type="Type", description="Description", started="Started", ended="Ended", output="Output",
        error="Error", download="Download", until="can be downloaded until", time="%Y-%m-%d %H:%M:%S UTC",
    ),
    "it": Words(
        {"finished": "è terminato", "failed": "è fallito", "cancelled": "è stato annullato"},
        job="Il lavoro", type="Tipo", description="Descrizione", started="Inizio", ended="Fine", output="Risultato",
        error="Errore", download="Scarica", until="scaricabile fino al", time="%d/%m/%Y %H:%M:%S UTC",
    ),
}  # fmt: skip


def compose(
    notice_id: UUID, job: Mapping[str, Any], *, sender: str, recipient: str, language: str, now: datetime
) -> EmailMessage:
    """The mail about the end of a job, as the API shows it, in one of WORDS. Raises ValueError for a wrong address."""
    words = WORDS[language]
    headline = f"{words.job} {job['number']} {words.ends[job['status']]}"
    lines = _lines(words, job)
    mail = EmailMessage(policy=SMTP)
    about = one_line(job["description"] or job["type"], LONGEST_SUBJECT)
    mail["Subject"] = f"{headline}: {about}"
    mail["From"] = sender
    mail["To"] = _address(recipient)
    mail["Date"] = format_datetime(now)
    # The same mail, told again: whoever got the first one can see that.
    mail["Message-ID"] = f"<{notice_id}@{parseaddr(sender)[1].rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["Content-Language"] = language
    mail.set_content("\n".join([f"{headline}.", "", *(f"{name}: {value}" for name, value in lines), ""]))
    mail.add_alternative(_html(language, headline, lines), subtype="html")
    return mail


def _lines(words: Words, job: Mapping[str, Any]) -> list[tuple[str, str]]:
    told = [
        (words.type, job["type"]),
        (words.description, job["description"]),
        (words.started, _time(words, job["started_at"])),
        (words.ended, _time(words, job["terminated_at"])),
        (words.error, job["error"]["message"] if job["error"] else None),
        (words.output, job["output"] if job["status"] == "finished" else None),
    ]
    lines = [(name, one_line(value, LONGEST_LINE)) for name, value in told if value]
    if job["publish_link"]:
        lines.append((words.download, job["publish_link"]))
    if job["publish_link"] and (until := _time(words, job["publish_link_expires_at"])):
        lines.append((words.until.capitalize(), until))
    return lines


def _time(words: Words, text: str | None) -> str | None:
    return None if text is None else datetime.fromisoformat(text).strftime(words.time)


def one_line(text: str, most: int) -> str:
    """The text as one line of at most so many characters, without anything that steers a terminal or a layout."""
    line = _NO_TEXT.sub(" ", text).strip()
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _address(text: str) -> str:
    """An address that is one and nothing else. Raises ValueError."""
    if (
        not text.isascii()
        or _NO_TEXT.search(text)
        or parseaddr(text) != ("", text)
        or text.count("@") != 1
        or text.endswith("@")
    ):
        raise ValueError("the address is none that mail can be sent to")
    return text


def _html(language: str, headline: str, lines: list[tuple[str, str]]) -> str:
    rows = "".join(
        f'<tr><th align="left" valign="top">{escape(name)}</th>'
        f"<td>{_link(value) if name == WORDS[language].download else escape(value)}</td></tr>"
        for name, value in lines
    )
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"></head>'
        f"<body><p>{escape(headline)}.</p><table>{rows}</table></body></html>\n"
    )


def _link(url: str) -> str:
    return f'<a href="{escape(url)}">{escape(url)}</a>'
