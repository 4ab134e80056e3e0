"""How an API process leaves: nobody whom it let in is cut off.

Connections kept alive are told to leave by `Connection: close`, and new ones are still taken, because a proxy learns
only from `/readyz`, or from a refusal, that this process goes. Then it stops listening, and answers who came in last.
Without that, aiohttp hangs up on who has not spoken yet, and a proxy that was just sending a POST can only say 502
(measured with 64 clients that connect anew for each request: 61 of them, at each stop).

Nor may the socket that listens just be closed: the kernel would reset what waits in its backlog. A filter (socket(7),
SO_ATTACH_FILTER) first lets no more connection begin, and the backlog is emptied. A client that knocks meanwhile tries
again after a second (RFC 6298), and is refused, or let in by another process of the port: it had said nothing.
"""

import array
import asyncio
import contextlib
import socket
import struct
import sys
from typing import Any

from aiohttp import web

LINGER_SECONDS = 2.0  # how long who is connected may go on while others still come in
EMPTYING_SECONDS = 0.25  # for a handshake that is under way, and for the backlog
LAST_SECONDS = 1.0  # how long who came in last may take to say what he wants
DRAINING_SECONDS = LINGER_SECONDS + EMPTYING_SECONDS + LAST_SECONDS
POLL_SECONDS = 0.05

SO_ATTACH_FILTER = 26  # asm-generic/socket.h; Python has no name for it
FILTER = (  # struct sock_filter of linux/filter.h, for a packet from its TCP header on
    (0x30, 0, 0, 13),  # load the byte of flags
    (0x45, 0, 1, 0x02),  # has it SYN?
    (0x06, 0, 0, 0),  # then drop the packet
    (0x06, 0, 0, 0xFFFFFFFF),  # else keep all of it
)


async def drain_connections(runner: web.BaseRunner) -> None:
    """Let go of who is connected, and stop listening; requests that are under way go on."""
    assert runner.server is not None  # noqa: S101 - it has been set up
    await _until_alone(runner.server, LINGER_SECONDS)
    _let_nobody_begin(runner)
    await asyncio.sleep(EMPTYING_SECONDS)
    for site in runner.sites:
        await site.stop()
    await _until_alone(runner.server, LAST_SECONDS)


async def _until_alone(server: web.Server, seconds: float) -> None:
    """Until the last connection has gone, or the time is over, because some are idle or slow."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while server.connections and loop.time() < until:  # noqa: ASYNC110 - aiohttp has no such event
        await asyncio.sleep(POLL_SECONDS)


def _let_nobody_begin(runner: web.BaseRunner) -> None:
    """Drop the first packet of new connections, on Linux; where there is no such filter, the backlog may be cut off."""
    if sys.platform != "linux":
        return
    program = array.array("B", b"".join(struct.pack("HBBI", *step) for step in FILTER))
    filter_program = struct.pack("HP", len(FILTER), program.buffer_info()[0])  # struct sock_fprog
    for site in runner.sites:
        listening: Any = site._server  # noqa: SLF001 - aiohttp tells addresses alone
        for one in listening.sockets:
            with contextlib.suppress(OSError):  # a kernel without the filter (gVisor): as on other systems
                one.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, filter_program)
