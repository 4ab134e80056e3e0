"""What a job says to people holds none of its secret args, even where its type, or a library, puts them in. Pure.

It goes over progress, messages, errors and their log lines; not over outputs, which are what the job type makes them.
"""

from collections.abc import Iterable
from typing import TypeVar

from service.jobs.secret_args import HIDDEN
from service.web.encoding import dumps

SHORTEST = 4  # what is shorter would be found in innocent words
Text = TypeVar("Text", str, str | None)


class Discretion:
    """Puts `***` in the place of these secrets, as they are and as JSON writes them."""

    def __init__(self, secrets: Iterable[str]) -> None:
        spelled = {word for one in secrets for word in (one, dumps(one).decode()[1:-1])}
        self._secrets = sorted((word for word in spelled if len(word) >= SHORTEST), key=len, reverse=True)

    def __call__(self, text: Text) -> Text:
        """The text without the secrets."""
        if self._secrets and text:
            for secret in self._secrets:
                text = str(text).replace(secret, HIDDEN)
        return text
