"""The rules of one row, docs/import_dovuti.md in code. Pure.

Two ways to ask: `accept` is asked a million times and only says yes, with the due, or no; `explain` is asked about what
was refused and names every fault. A property test proves that they agree.
"""

import re
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from operator import itemgetter
from typing import Final, NamedTuple

from workers.jobtypes.dovuti import taxids

COLUMNS: Final = (
    "notice_number",
    "iuv",
    "amount",
    "reason",
    "created_at",
    "expire_at",
    "payer_type",
    "payer_tax_identification_number",
    "payer_name",
    "payer_email",
)
REQUIRED: Final = ("notice_number", "amount", "reason", "payer_tax_identification_number")

NOTICE: Final = 18  # digits
IUV: Final = (15, 17)  # digits, from and to
REASON: Final = 140  # characters, as the next ones
NAME: Final = 70
EMAIL: Final = 254
DUE_AFTER: Final = timedelta(days=30)

_amount = re.compile(r"[0-9]{1,12}(?:[.,][0-9]{1,2})?").fullmatch
_date = re.compile(r"([0-9]{2})-([0-9]{2})-([0-9]{4})").fullmatch
_address = re.compile(
    r"(?!\.)[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+(?<!\.)@(?![.-])[A-Za-z0-9.-]+\.[A-Za-z0-9-]+(?<!-)"
).fullmatch

_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})

Due = tuple[str, str, str, str, str, str, str, str, str, str]
"""The columns as PostgreSQL takes them: a dot in the amount, ISO dates, an empty text where there is none."""


class Fault(NamedTuple):
    """Something wrong with a row: a stable word, and a sentence for people."""

    code: str
    text: str


class _Dates(dict[str, str]):
    """ISO dates of dd-mm-YYYY, an empty text for what is none; files repeat few dates, so they are remembered."""

    def __missing__(self, text: str) -> str:
        iso = ""
        if found := _date(text):
            try:
                iso = date(int(found[3]), int(found[2]), int(found[1])).isoformat()
            except ValueError:
                iso = ""
        return self._remember(text, iso)

    def _remember(self, text: str, iso: str) -> str:
        if len(self) > 100_000:  # noqa: PLR2004  some megabytes
            self.clear()
        self[text] = iso
        return iso


class _Deadlines(_Dates):
    """The ISO date 30 days after an ISO date; an empty text where the calendar ends before."""

    def __missing__(self, created: str) -> str:
        try:
            return self._remember(created, (date.fromisoformat(created) + DUE_AFTER).isoformat())
        except OverflowError:
            return ""


class Rules:
    """The rules for one file: where its columns are, and the date that counts as today's."""

    def __init__(self, names: Sequence[str], today: date) -> None:
        """`names` are the header's, in lower case and without blanks around."""
        self.width = len(names)
        places = {name: place for place, name in enumerate(names)}
        # A column that the file doesn't have is read from the empty cell that is put behind each row.
        self._pick = itemgetter(*(places.get(column, self.width) for column in COLUMNS))
        self._today = today.isoformat()
        self._dates = _Dates()
        self._deadlines = _Deadlines()
        self.accept: Final[Callable[[list[str]], Due | None]] = self._acceptor()

    def _acceptor(self) -> Callable[[list[str]], Due | None]:  # noqa: C901  it is the function within
        """Build `accept`: the due of a row's cells, or None. A closure, as a million lookups on self cost a second."""
        width, pick, today = self.width, self._pick, self._today
        dates, deadlines, is_tax_id = self._dates, self._deadlines, taxids.is_tax_id

        def accept(cells: list[str]) -> Due | None:  # noqa: C901, PLR0911  one rule a line, in one call
            if len(cells) != width:
                return None
            notice, iuv, amount, reason, created, expire, kind, tax_id, name, email = pick([*cells, ""])
            if len(notice) != NOTICE or not (notice.isascii() and notice.isdigit()):
                return None
            if not iuv:
                iuv = derived_iuv(notice)
                if not iuv:
                    return None
            elif not (IUV[0] <= len(iuv) <= IUV[1] and iuv.isascii() and iuv.isdigit()):
                return None
            if not _amount(amount) or not amount.strip("0.,"):
                return None
            reason, name = reason.strip(), name.strip()
            if not 0 < len(reason) <= REASON or len(name) > NAME:
                return None
            created = dates[created] if created else today
            expire = dates[expire] if expire else created and deadlines[created]
            if not created or not expire or expire < created:
                return None
            if not tax_id.isascii() or not is_tax_id(tax_id := tax_id.upper()):
                return None
            if kind != (right := "F" if len(tax_id) == taxids.PERSON else "G"):
                if kind:
                    return None
                kind = right
            if email and not _is_email(email):
                return None
            return notice, iuv, amount.replace(",", "."), reason, created, expire, kind, tax_id, name, email

        return accept

    def judge(self, cells: list[str]) -> Due | list[Fault]:
        """The due of a row, or all its faults; blanks around a value don't count."""
        due = self.accept(cells)
        if due is not None:
            return due
        bare = [cell.strip() for cell in cells]
        return self.accept(bare) or self.explain(bare)

    def explain(self, cells: list[str]) -> list[Fault]:
        """Every fault of a row without blanks around its values, by column; none when `accept` takes it."""
        if len(cells) != self.width:
            return [Fault("cell_count", f"the row has {len(cells)} cells, the header has {self.width}")]
        row = dict(zip(COLUMNS, self._pick([*cells, ""]), strict=True))
        faults = [
            Fault("missing", f"{column} is empty, but required") for column in REQUIRED if not row[column]
        ]
        notice = row["notice_number"]
        if notice and not _is_digits(notice, NOTICE, NOTICE):
            faults.append(Fault("bad_notice_number", "notice_number must be 18 digits"))
        elif notice and not row["iuv"] and not derived_iuv(notice):
            faults.append(
                Fault("no_iuv", "iuv is empty, and a notice_number that begins with 4 to 9 holds none")
            )
        if row["iuv"] and not _is_digits(row["iuv"], *IUV):
            faults.append(Fault("bad_iuv", "iuv must be 15 to 17 digits"))
        if row["amount"]:
            faults += self._amount_faults(row["amount"])
        if len(row["reason"]) > REASON:
            faults.append(Fault("bad_reason", f"reason must be at most {REASON} characters"))
        faults += self._date_faults(row["created_at"], row["expire_at"])
        faults += self._payer_faults(row)
        return faults

    def _amount_faults(self, amount: str) -> list[Fault]:
        if not _amount(amount):
            return [
                Fault("bad_amount", "amount must be digits, with at most 2 decimals after a dot or comma")
            ]
        if float(amount.replace(",", ".")) == 0:
            return [Fault("bad_amount", "amount must be above 0")]
        return []

    def _date_faults(self, created: str, expire: str) -> list[Fault]:
        faults = [
            Fault(f"bad_{column}", f"{column} must be a date as dd-mm-YYYY")
            for column, text in (("created_at", created), ("expire_at", expire))
            if text and not self._dates[text]
        ]
        if faults:
            return faults
        begin = self._dates[created] if created else self._today
        end = self._dates[expire] if expire else self._deadlines[begin]
        if not end:
            return [Fault("bad_created_at", "created_at is so late that there is no date 30 days after it")]
        if end < begin:
            return [Fault("expires_before_created", f"expire_at ({end}) is before created_at ({begin})")]
        return []

    def _payer_faults(self, row: dict[str, str]) -> list[Fault]:
        faults = []
        tax_id, kind = row["payer_tax_identification_number"], row["payer_type"]
        if tax_id.isascii():  # elsewhere upper case can turn a sign into others: ß into SS
            tax_id = tax_id.upper()
        wrong = taxids.fault(tax_id) if tax_id else None
        if wrong:
            faults.append(Fault("bad_tax_id", f"payer_tax_identification_number {wrong}"))
        if kind not in ("", "F", "G"):
            faults.append(Fault("bad_payer_type", "payer_type must be F or G"))
        elif kind and tax_id and not wrong and kind != ("F" if len(tax_id) == taxids.PERSON else "G"):
            faults.append(
                Fault("bad_payer_type", f"payer_type {kind} contradicts the tax identification number")
            )
        if len(row["payer_name"]) > NAME:
            faults.append(Fault("bad_payer_name", f"payer_name must be at most {NAME} characters"))
        if row["payer_email"] and not _is_email(row["payer_email"]):
            faults.append(Fault("bad_payer_email", "payer_email is no e-mail address"))
        return faults


def derived_iuv(notice: str) -> str:
    """The IUV within a notice number: 17 digits behind a 1, 2 or 3, the last 15 behind a 0; else an empty text."""
    if notice[0] in "123":
        return notice[1:]
    return notice[3:] if notice[0] == "0" else ""


def copy_line(due: Due) -> str:
    """The due as columns of COPY's text format. Only reason and name can hold what has a meaning there."""
    if (due[3] + due[8]).isprintable() and "\\" not in due[3] and "\\" not in due[8]:
        return "\t".join(due)
    return "\t".join([text.translate(_ESCAPES) for text in due])


def _is_email(text: str) -> bool:
    return len(text) <= EMAIL and ".." not in text and _address(text) is not None


def _is_digits(text: str, shortest: int, longest: int) -> bool:
    return shortest <= len(text) <= longest and text.isascii() and text.isdigit()
