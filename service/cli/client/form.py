"""A job and its file as one form, read from the disk while it is sent."""

import io
import secrets
import stat
import sys
from pathlib import Path
from typing import IO

from service.cli.client.ending import Ended
from service.cli.client.harmless import one_line
from service.cli.client.progress import OnBytes

BLOCK = 1 << 18


class Form(io.RawIOBase):
    """multipart/form-data with the parts `job` and `attachment`, one after the other, never whole in memory."""

    def __init__(self, head: bytes, file: IO[bytes], tail: bytes, on_bytes: OnBytes) -> None:
        self._pieces: list[IO[bytes]] = [io.BytesIO(head), file, io.BytesIO(tail)]
        self._file, self._on_bytes = file, on_bytes

    def readable(self) -> bool:
        """It is read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """The next bytes; size is a hint, as larger blocks are faster."""
        while self._pieces:
            data = self._pieces[0].read(max(size, BLOCK))
            if data:
                if self._pieces[0] is self._file:
                    self._on_bytes(len(data))
                return data
            done = self._pieces.pop(0)
            if done is not sys.stdin.buffer:
                done.close()
        return b""


class FormOfFile:
    """What a submission with a file sends; `-` is stdin, which can be read once only."""

    def __init__(self, job: bytes, path: str, name: str | None, mime_type: str | None) -> None:
        self._path = path
        self.is_stdin = path == "-"
        self._boundary = f"lavori-{secrets.token_hex(16)}"
        shown = name or ("stdin" if self.is_stdin else Path(path).name)
        self._head = (
            f'--{self._boundary}\r\nContent-Disposition: form-data; name="job"\r\n'
            "Content-Type: application/json\r\n\r\n"
        ).encode() + job
        self._head += (
            f'\r\n--{self._boundary}\r\nContent-Disposition: form-data; name="attachment"; '
            f'filename="{_quoted(shown)}"\r\nContent-Type: {one_line(mime_type or media_type(shown))}\r\n\r\n'
        ).encode()
        self._tail = f"\r\n--{self._boundary}--\r\n".encode()
        self.size = None if self.is_stdin else self._size()

    def _size(self) -> int | None:
        """How large it is; None for a pipe, which can be opened once only."""
        try:
            status = Path(self._path).stat()
        except OSError as error:
            raise Ended(f"{self._path} cannot be read: {error.strerror}.") from error
        return status.st_size if stat.S_ISREG(status.st_mode) else None

    def _open(self) -> IO[bytes]:
        if self.is_stdin:
            return sys.stdin.buffer
        try:
            return open(self._path, "rb")  # noqa: PTH123 - the form closes it
        except OSError as error:
            raise Ended(f"{self._path} cannot be read: {error.strerror}.") from error

    @property
    def is_repeatable(self) -> bool:
        """Whether it can be sent again."""
        return self.size is not None

    @property
    def headers(self) -> dict[str, str]:
        """How the body is to be announced."""
        headers = {"Content-Type": f"multipart/form-data; boundary={self._boundary}"}
        if self.size is None:
            return {**headers, "Transfer-Encoding": "chunked"}
        return {**headers, "Content-Length": str(len(self._head) + self.size + len(self._tail))}

    def open(self, on_bytes: OnBytes) -> IO[bytes]:
        """The body, from its beginning; how many bytes of the file go is told."""
        return Form(self._head, self._open(), self._tail, on_bytes)  # type: ignore[return-value]


def media_type(name: str) -> str:
    """The media type that the end of a name tells."""
    import mimetypes  # noqa: PLC0415, reads files of the system

    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def _quoted(name: str) -> str:
    """A file name within quotes, as the HTML standard writes it in forms."""
    return one_line(name).replace("\\", "\\\\").replace('"', "%22")
