"""What a run keeps in its data folder for the next one: a lock against a second run, and secrets."""

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from service.dev.child import DevError


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the data folder while the block runs; the kernel lets go of it however we end. Raises DevError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.read(descriptor, 20).decode(errors="replace").strip() or "unknown"
            raise DevError(
                f"Lavori already runs on {folder} as pid {pid}: stop it, or set LAVORI_DATA (and PORT) to others."
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Secrets:
    """Made at the first start and then kept; `servers` is the password of the embedded PostgreSQL and Valkey."""

    signing: str
    admin: str
    servers: str


def kept_secrets(folder: Path) -> Secrets:
    """Read the secrets of the data folder, or make them. Raises DevError for a file that holds something else."""
    path = folder / "secrets.json"
    try:
        return Secrets(**json.loads(path.read_bytes()))
    except FileNotFoundError:
        made = Secrets(secrets.token_hex(32), f"admin_{secrets.token_hex(20)}", secrets.token_hex(16))
    except (ValueError, TypeError) as error:
        raise DevError(
            f"{path} does not hold the secrets that were kept there: restore it, or remove the folder."
        ) from error
    scratch = path.with_suffix(".new")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(asdict(made), file)
        file.flush()
        os.fsync(file.fileno())
    scratch.rename(path)
    return made
