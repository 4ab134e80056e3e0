"""The formats that a table can be had in. Pure."""

from collections.abc import Collection
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Final


class Format(StrEnum):
    """A format, named as files of it end."""

    CSV = "csv"
    XLSX = "xlsx"
    JSON = "json"
    PARQUET = "parquet"

    @property
    def mime_type(self) -> str:
        """What it is called on the wire."""
        return _MIME_TYPES[self]


FORMATS = frozenset[str](Format)
MOST_ROWS_OF_A_SHEET: Final = 1_048_575  # below the header
TOO_MANY_ROWS: Final = f"A sheet of Excel has at most {MOST_ROWS_OF_A_SHEET} rows below its header."

_MIME_TYPES = {
    Format.CSV: "text/csv",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    Format.JSON: "application/json",
    Format.PARQUET: "application/vnd.apache.parquet",
}


def require_tables(formats: Collection[str]) -> None:
    """Raise ValueError if one of them is no format of tables."""
    if odd := set(formats) - FORMATS:
        message = f"no conversion from or to {', '.join(sorted(odd))}"
        raise ValueError(message)


def ending(name: str) -> str:
    """What a file's name ends with, in lower case and without its dot; "" for none."""
    return PurePosixPath(name).suffix.removeprefix(".").lower()
