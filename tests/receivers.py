# ruff: noqa: ARG002 - the libraries call with all arguments
"""Who is told: a receiver of webhooks and a mail server, real ones, that behave as a test wants them to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Call:
    """One webhook as it came in."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


@dataclass(slots=True)
class WebhookReceiver:
    """Answers by path: `/500` with that status, and as `answering` says for the paths that it names."""

    port: int = 0
    calls: list[Call] = field(default_factory=list)
    answering: dict[str, Answering] = field(default_factory=dict)
    most_under_way: int = 0
    at_once_with_one_id: int = 0
    ids_under_way: list[str] = field(default_factory=list)

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def ids(self, path: str = "/hook") -> list[str]:
        return [call.id for call in self.calls if call.path == path]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        call = Call(request.path, {k.lower(): v for k, v in request.headers.items()}, await request.read())
        self.calls.append(call)
        self.at_once_with_one_id += call.headers.get("webhook-id") in self.ids_under_way
        self.ids_under_way.append(call.headers.get("webhook-id", ""))
        self.most_under_way = max(self.most_under_way, len(self.ids_under_way))
        try:
            if request.path in self.answering:
                return await self.answering[request.path](request)
            status = request.path[1:4]
            return web.Response(status=int(status) if status.isdigit() else 200)
        finally:
            self.ids_under_way.remove(call.headers.get("webhook-id", ""))

    async def until(self, count: int, path: str = "/hook", seconds: float = 20) -> list[Call]:
        """Wait for so many calls of one path."""
        async with asyncio.timeout(seconds):
            while len(found := [call for call in self.calls if call.path == path]) < count:
                await asyncio.sleep(0.02)
        return found


@asynccontextmanager
async def webhook_receiver(port: int | None = None) -> AsyncIterator[WebhookReceiver]:
    """A receiver at a port of its own choice, or at this one."""
    receiver = WebhookReceiver()
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", receiver.handle)
    async with TestServer(app, port=port) as server:
        assert server.port is not None
        receiver.port = server.port
        yield receiver


@dataclass(slots=True)
class MailReceiver:
    """A mail server; `answers` are what it says to RCPT and DATA instead of taking the mail, one after the other."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    rcpt_answers: list[str] = field(default_factory=list)
    data_answers: list[str] = field(default_factory=list)
    data_seconds: float = 0.0
    logins: list[tuple[str, str]] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.rcpt_answers:
            return self.rcpt_answers.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        await asyncio.sleep(self.data_seconds)
        if self.data_answers:
            return self.data_answers.pop(0)
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, _class=EmailMessage, policy=default)
        self.mails.append(mail)
        self.recipients += envelope.rcpt_tos
        return "250 OK"

    async def until(self, count: int, seconds: float = 20) -> list[EmailMessage]:
        """Wait for so many mails."""
        async with asyncio.timeout(seconds):
            while len(self.mails) < count:
                await asyncio.sleep(0.02)
        return self.mails

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        self.logins.append((data.login.decode(), data.password.decode()))
        return AuthResult(success=data.password == b"right p@ss")


@asynccontextmanager
async def mail_receiver(**options: Any) -> AsyncIterator[MailReceiver]:
    receiver = MailReceiver()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(
            receiver, loop=loop, enable_SMTPUTF8=False, authenticator=receiver.authenticate, **options
        ),
        "127.0.0.1",
        0,
    )
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        await server.wait_closed()
