"""Make a file of dues, always the same for the same words, on stdout.

    python benchmarks/make_dovuti.py ROWS [--bad N] [--seed N] > dovuti.csv

`--bad` spoils that many rows, each in another way. A million rows take a few seconds.
"""

import argparse
import itertools
import random
import sys
from collections.abc import Iterator
from datetime import date, timedelta

from stdnum import luhn
from stdnum.it import codicefiscale

HEADER = (
    "notice_number,iuv,amount,reason,created_at,expire_at,"
    "payer_type,payer_tax_identification_number,payer_name,payer_email"
)
SURNAMES = (
    "Rossi",
    "Russo",
    "Ferrari",
    "Esposito",
    "Bianchi",
    "Romano",
    "Colombo",
    "Ricci",
    "Greco",
    "De Luca",
)
NAMES = (
    "Maria",
    "Anna",
    "Giulia",
    "Lucia",
    "Chiara",
    "Paolo",
    "Marco",
    "Luca",
    "Andrea",
    "Francesco",
    "Nicolò",
)
TOWNS = ("H501", "F205", "L219", "G273", "D612", "A944", "F839", "L736", "L781", "C351")
FIRMS = ("Officine {} S.r.l.", "{} & Figli S.n.c.", "Cooperativa {}", "Panificio {} S.a.s.")
REASONS = (
    "TARI 2026, rata unica",
    "TARI 2026, prima rata",
    "Mensa scolastica, novembre 2026",
    "Canone unico patrimoniale 2026",
    "Trasporto scolastico 2026/2027",
    'Sanzione "CdS" art. 7',
    "Diritti di segreteria",
    "Retta asilo nido, dicembre 2026",
)
PAYERS = 20_000
FIRST_DAY = date(2026, 9, 1)
MONTHS = "ABCDEHLMPRST"

Spoiler = tuple[int, str]  # the column, and what it then holds
SPOILERS: tuple[Spoiler, ...] = (
    (2, "12.345"),
    (7, "RSSMRA85T10A562X"),
    (5, "31-02-2026"),
    (3, ""),
    (0, "30123456789"),
)


def person(chance: random.Random) -> tuple[str, str, str, str]:
    """A natural person: payer_type, tax id, name, e-mail."""
    surname, name = chance.choice(SURNAMES), chance.choice(NAMES)
    born = date(1935, 1, 1) + timedelta(chance.randrange(25_000))
    day = born.day + chance.choice((0, 40))
    letters = "".join(chance.choices("BCDFGLMNPRST", k=6))
    stem = f"{letters}{born:%y}{MONTHS[born.month - 1]}{day:02}{chance.choice(TOWNS)}"
    address = f"{name}.{surname}".lower().replace("ò", "o").replace(" ", "")
    return (
        "F",
        stem + codicefiscale.calc_check_digit(stem),
        f"{name} {surname}",
        f"{address}@example.it",
    )


def firm(chance: random.Random) -> tuple[str, str, str, str]:
    """A company: payer_type, tax id, name, no e-mail."""
    stem = f"{chance.randrange(1, 10_000_000):07}{chance.randrange(1, 101):03}"
    name = chance.choice(FIRMS).format(chance.choice(SURNAMES))
    return "G", stem + luhn.calc_check_digit(stem), name, ""


def rows(count: int, seed: int) -> Iterator[list[str]]:
    """The good rows: notice numbers of one creditor (auxiliary digit 3, segregation code 01), in order."""
    chance = random.Random(seed)
    payers = [(firm if chance.random() < 0.15 else person)(chance) for _ in range(min(count, PAYERS))]
    days = [f"{FIRST_DAY + timedelta(n):%d-%m-%Y}" for n in range(150)]
    reasons = ['"{}"'.format(text.replace('"', '""')) if set(',"') & set(text) else text for text in REASONS]
    first = chance.randrange(10**12)
    for number in range(first, first + count):
        stem = f"301{number:013}"
        notice = f"{stem}{int(stem) % 93:02}"
        kind, tax_id, name, address = payers[chance.randrange(len(payers))]
        begin = chance.randrange(60)
        yield [
            notice,
            notice[1:],
            f"{chance.randrange(5, 1500)}.{chance.randrange(100):02}",
            reasons[chance.randrange(len(reasons))],
            days[begin],
            days[begin + 30 + chance.randrange(60)],
            kind,
            tax_id,
            name,
            address,
        ]


def lines(count: int, *, bad: int = 0, seed: int = 1) -> Iterator[str]:
    """The file's lines, the header first; the bad rows are spread evenly."""
    yield f"{HEADER}\r\n"
    spoiled = {
        (n + 1) * count // (bad + 1): spoiler
        for n, spoiler in zip(range(bad), itertools.cycle(SPOILERS), strict=False)
    }
    for number, cells in enumerate(rows(count, seed)):
        if spoiler := spoiled.get(number):
            cells[spoiler[0]] = spoiler[1]
        yield f"{','.join(cells)}\r\n"


def main() -> None:
    """Write the file to stdout."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("rows", type=int)
    words.add_argument("--bad", type=int, default=0)
    words.add_argument("--seed", type=int, default=1)
    given = words.parse_args()
    sys.stdout.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr]
    sys.stdout.writelines(lines(given.rows, bad=given.bad, seed=given.seed))


if __name__ == "__main__":
    main()
