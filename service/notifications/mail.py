"""Sending mails through the server of SMTP_URL."""

import asyncio
import socket
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from urllib.parse import parse_qs, unquote, urlsplit

import aiosmtplib
import structlog

from service.notifications.email import one_line
from service.notifications.verdict import Outcome, Verdict, delivered

log = structlog.get_logger()

COMMAND_SECONDS = 10.0
MAIL_SECONDS = 30.0
LONGEST_ERROR = 300
_OK = 250
_FOR_GOOD = 500  # and above: the server will not change its mind


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mails go. `starttls` is None to use it where the server offers it, True to insist, False to do without."""

    host: str
    port: int
    tls: bool
    starttls: bool | None
    user: str | None
    password: str | None = field(repr=False)


def mail_server(url: str) -> MailServer:
    """The server of an SMTP_URL that the settings have checked.

    A password goes over no open line: with one, STARTTLS is insisted on, unless the URL says `?starttls=never`.
    """
    parts = urlsplit(url)
    tls = parts.scheme == "smtps"
    wish = parse_qs(parts.query).get("starttls", [""])[0]
    insists = wish == "require" or (parts.password is not None and wish != "never")
    return MailServer(
        host=parts.hostname or "localhost",
        port=parts.port or (465 if tls else 587 if parts.username else 25),
        tls=tls,
        starttls=False if tls or wish == "never" else True if insists else None,
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
    )


async def send_mail(server: MailServer, mail: EmailMessage) -> Verdict:
    """Hand a mail to the server; delivered means that the server has taken it on."""
    client = aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        local_hostname=socket.gethostname(),
        timeout=COMMAND_SECONDS,
        use_tls=server.tls,
        start_tls=server.starttls,
        username=server.user,
        password=server.password,
    )
    try:
        async with asyncio.timeout(MAIL_SECONDS), client:
            await client.send_message(mail)
    except (aiosmtplib.SMTPException, OSError) as error:
        return _judged(error)
    return delivered(_OK)


def _judged(error: aiosmtplib.SMTPException | OSError) -> Verdict:
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        error = error.recipients[0]
    if isinstance(error, aiosmtplib.SMTPResponseException):
        # What is said of the recipient or the text is said of this one mail, and tells nothing of others.
        own = isinstance(error, aiosmtplib.SMTPRecipientRefused | aiosmtplib.SMTPDataError)
        outcome = Outcome.REFUSED if own and error.code >= _FOR_GOOD else Outcome.FAILED
        said = one_line(f"the mail server answers {error.code}: {error.message}", LONGEST_ERROR)
        return Verdict(outcome, error.code, said, counts=not own)
    log.debug("mail failed", action="notice.mail_failed", error=f"{type(error).__name__}: {error}")
    return Verdict(Outcome.FAILED, error=next(text for kinds, text in _SAID if isinstance(error, kinds)))


_SAID: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    (TimeoutError, "the mail server takes too long to answer"),
    (ssl.SSLError, "no secure connection to the mail server can be made"),
    (
        aiosmtplib.SMTPNotSupported,
        "the mail server does not offer what is needed, such as STARTTLS or a login",
    ),
    (aiosmtplib.SMTPServerDisconnected, "the mail server hangs up"),
    (Exception, "the mail server cannot be reached"),
)
