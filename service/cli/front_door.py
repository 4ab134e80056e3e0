"""Where the environment becomes settings, and errors become sentences and exit codes."""

import os
import sys
from collections.abc import Collection
from typing import NoReturn

from service.settings import REQUIRED_OUTSIDE_DEV, Settings, SettingsError

__all__ = ["REQUIRED_OUTSIDE_DEV", "leave", "read_settings"]


def read_settings(required: Collection[str] = ()) -> Settings:
    """Read the settings; with faults, print one a line and leave with 2."""
    try:
        return Settings.from_environ(os.environ, required)
    except SettingsError as error:
        leave("\n".join(error.faults), code=2)


def leave(sentence: str, code: int = 1) -> NoReturn:
    """End the command with a sentence for whoever ran it."""
    print(sentence, file=sys.stderr)
    sys.exit(code)
