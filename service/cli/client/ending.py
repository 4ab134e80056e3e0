"""How a command ends: a sentence on stderr and an exit code, which docs/cli.md promises."""

from enum import IntEnum


class Code(IntEnum):
    """Exit codes."""

    FINE = 0
    ERROR = 1
    USAGE = 2
    UNAUTHENTICATED = 4
    NOT_FOUND = 5
    JOB_FAILED = 6
    JOB_CANCELLED = 7
    STILL_RUNNING = 8
    UNAVAILABLE = 9
    INTERRUPTED = 130


class Ended(Exception):
    """The command ends here, with this sentence (which may be empty) and this code."""

    def __init__(self, sentence: str, code: Code = Code.ERROR) -> None:
        self.sentence, self.code = sentence, code
        super().__init__(sentence)


BY_STATUS = {
    401: Code.UNAUTHENTICATED,
    404: Code.NOT_FOUND,
    410: Code.NOT_FOUND,
    429: Code.UNAVAILABLE,
    502: Code.UNAVAILABLE,
    503: Code.UNAVAILABLE,
    504: Code.UNAVAILABLE,
}
BY_JOB_STATUS = {
    "finished": Code.FINE,
    "failed": Code.JOB_FAILED,
    "cancelled": Code.JOB_CANCELLED,
}


def code_of(status: int) -> Code:
    """The exit code of an HTTP status that is an error."""
    return BY_STATUS.get(status, Code.ERROR)
