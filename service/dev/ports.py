"""Free ports on this machine."""

import errno
import random
import socket

from service.dev.child import DevError

LOOPBACK = "127.0.0.1"
# Below what systems hand out to outgoing connections by themselves (from 32768 on Linux, 49152 on macOS).
LOWEST, HIGHEST = 20000, 32767


def free_port(seed: str) -> int:
    """A free port of the loopback address; the same seed finds the same one as long as it stays free."""
    ports = random.Random(seed)  # noqa: S311, a choice that is not secret
    for _ in range(200):
        port = ports.randint(LOWEST, HIGHEST)
        if not is_taken(LOOPBACK, port):
            return port
    raise DevError(f"No port from {LOWEST} to {HIGHEST} of {LOOPBACK} is free.")


def is_taken(host: str, port: int) -> bool:
    """Whether another program has the port. Raises DevError when the address is none of this machine's."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, address in found:
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return True
        if error.errno == errno.EACCES:
            raise DevError(f"Port {port} may not be used by this user: set PORT to 1024 or more.") from error
        raise DevError(f"{host} is no address of this machine: set HOST to one that is.") from error
    return False


def demand_port(host: str, port: int) -> None:
    """Raise DevError, in words for an operator, when the API cannot have the port."""
    if is_taken(host, port):
        raise DevError(f"Port {port} of {host} is taken: set PORT to another, or free it.")
