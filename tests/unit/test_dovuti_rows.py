"""The rules of one row of dues."""

import random
import string
from datetime import date

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from stdnum import luhn
from stdnum.exceptions import ValidationError
from stdnum.it import codicefiscale

from workers.jobtypes.dovuti import taxids
from workers.jobtypes.dovuti.rows import COLUMNS, Due, Rules, copy_line

TODAY = date(2026, 11, 22)
RULES = Rules(COLUMNS, TODAY)
GOOD = {
    "notice_number": "301000000000012345",
    "iuv": "01000000000012345",
    "amount": "120.50",
    "reason": "TARI 2026",
    "created_at": "01-11-2026",
    "expire_at": "31-12-2026",
    "payer_type": "F",
    "payer_tax_identification_number": "RCCMNL83S18D969H",
    "payer_name": "Emanuele Ricci",
    "payer_email": "e.ricci@example.it",
}
FIRM = "00743110157"


def cells(**changed: str) -> list[str]:
    return list((GOOD | changed).values())


def accepted(**changed: str) -> dict[str, str]:
    due = RULES.judge(cells(**changed))
    assert isinstance(due, tuple), due
    return dict(zip(COLUMNS, due, strict=True))


def codes(**changed: str) -> list[str]:
    faults = RULES.judge(cells(**changed))
    assert isinstance(faults, list), faults
    return [fault.code for fault in faults]


def test_a_good_row_is_a_due_with_iso_dates() -> None:
    assert accepted() == GOOD | {"created_at": "2026-11-01", "expire_at": "2026-12-31"}


@pytest.mark.parametrize(
    ("given_cells", "column", "kept"),
    [
        ({"notice_number": "301000000000012345", "iuv": ""}, "iuv", "01000000000012345"),
        ({"notice_number": "101000000000012345", "iuv": ""}, "iuv", "01000000000012345"),
        ({"notice_number": "001000000000012345", "iuv": ""}, "iuv", "000000000012345"),
        ({"iuv": "123456789012345"}, "iuv", "123456789012345"),
        ({"amount": "12,5"}, "amount", "12.5"),
        ({"amount": "0.01"}, "amount", "0.01"),
        ({"amount": "999999999999.99"}, "amount", "999999999999.99"),
        ({"amount": "007"}, "amount", "007"),
        ({"reason": "x" * 140}, "reason", "x" * 140),
        ({"reason": "  Mensa  "}, "reason", "Mensa"),
        ({"created_at": "", "expire_at": ""}, "created_at", "2026-11-22"),
        ({"created_at": "", "expire_at": ""}, "expire_at", "2026-12-22"),
        ({"created_at": "29-02-2024", "expire_at": ""}, "expire_at", "2024-03-30"),
        ({"expire_at": "01-11-2026"}, "expire_at", "2026-11-01"),
        ({"created_at": "01-12-9999", "expire_at": ""}, "expire_at", "9999-12-31"),
        ({"payer_type": ""}, "payer_type", "F"),
        ({"payer_type": "", "payer_tax_identification_number": FIRM}, "payer_type", "G"),
        ({"payer_type": "G", "payer_tax_identification_number": FIRM}, "payer_type", "G"),
        (
            {"payer_tax_identification_number": "rccmnl83s18d969h"},
            "payer_tax_identification_number",
            "RCCMNL83S18D969H",
        ),
        (
            {"payer_tax_identification_number": " RCCMNL83S18D969H\t"},
            "payer_tax_identification_number",
            "RCCMNL83S18D969H",
        ),
        ({"payer_name": ""}, "payer_name", ""),
        ({"payer_name": "n" * 70}, "payer_name", "n" * 70),
        ({"payer_email": ""}, "payer_email", ""),
        ({"payer_email": "a+b_c@xn--caf-dma.example.it"}, "payer_email", "a+b_c@xn--caf-dma.example.it"),
    ],
)
def test_what_is_right_is_kept_in_its_one_form(given_cells: dict[str, str], column: str, kept: str) -> None:
    assert accepted(**given_cells)[column] == kept


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        ("notice_number", "", "missing"),
        ("notice_number", "30100000000001234", "bad_notice_number"),
        ("notice_number", "3010000000000123456", "bad_notice_number"),
        ("notice_number", "30100000000001234x", "bad_notice_number"),
        ("notice_number", "30100000000001234\N{ARABIC-INDIC DIGIT FIVE}", "bad_notice_number"),
        ("notice_number", "30100000000001234\N{SUPERSCRIPT TWO}", "bad_notice_number"),
        ("iuv", "12345678901234", "bad_iuv"),
        ("iuv", "123456789012345678", "bad_iuv"),
        ("iuv", "RF0000000000012345", "bad_iuv"),
        ("amount", "", "missing"),
        ("amount", "0", "bad_amount"),
        ("amount", "0.00", "bad_amount"),
        ("amount", "-5.00", "bad_amount"),
        ("amount", "+5.00", "bad_amount"),
        ("amount", "12.345", "bad_amount"),
        ("amount", "1,234.56", "bad_amount"),
        ("amount", "1.", "bad_amount"),
        ("amount", ".5", "bad_amount"),
        ("amount", "1e3", "bad_amount"),
        ("amount", "NaN", "bad_amount"),
        ("amount", "12 €", "bad_amount"),
        ("amount", "\N{ARABIC-INDIC DIGIT FIVE}", "bad_amount"),
        ("amount", "1000000000000", "bad_amount"),
        ("reason", "", "missing"),
        ("reason", " \t ", "missing"),
        ("reason", "x" * 141, "bad_reason"),
        ("created_at", "2026-11-01", "bad_created_at"),
        ("created_at", "1-11-2026", "bad_created_at"),
        ("created_at", "31-11-2026", "bad_created_at"),
        ("created_at", "29-02-2026", "bad_created_at"),
        ("created_at", "01-01-0000", "bad_created_at"),
        ("expire_at", "32-12-2026", "bad_expire_at"),
        ("expire_at", "31/12/2026", "bad_expire_at"),
        ("expire_at", "31-10-2026", "expires_before_created"),
        ("payer_type", "X", "bad_payer_type"),
        ("payer_type", "f", "bad_payer_type"),
        ("payer_type", "G", "bad_payer_type"),
        ("payer_tax_identification_number", "", "missing"),
        ("payer_tax_identification_number", "RCCMNL83S18D969A", "bad_tax_id"),
        ("payer_tax_identification_number", "RCCMNL83S18D969", "bad_tax_id"),
        ("payer_tax_identification_number", "RCCMNL83S72D969Q", "bad_tax_id"),
        ("payer_tax_identification_number", "RCC MNL 83S18 D969H", "bad_tax_id"),
        ("payer_tax_identification_number", "00743110158", "bad_tax_id"),
        ("payer_tax_identification_number", "IT00743110157", "bad_tax_id"),
        ("payer_tax_identification_number", "00000000000", "bad_tax_id"),
        ("payer_name", "n" * 71, "bad_payer_name"),
        ("payer_email", "nobody", "bad_payer_email"),
        ("payer_email", "a@b", "bad_payer_email"),
        ("payer_email", "a@b..it", "bad_payer_email"),
        ("payer_email", ".a@b.it", "bad_payer_email"),
        ("payer_email", "a@b.it, c@d.it", "bad_payer_email"),
        ("payer_email", "a@" + "b" * 260 + ".it", "bad_payer_email"),
    ],
)
def test_what_is_wrong_is_named(column: str, value: str, code: str) -> None:
    assert codes(**{column: value}) == [code]


def test_a_person_with_a_firms_number_contradicts_itself() -> None:
    assert codes(payer_type="F", payer_tax_identification_number=FIRM) == ["bad_payer_type"]


@pytest.mark.parametrize("first", "456789")
def test_an_iuv_cannot_be_told_from_other_notice_numbers(first: str) -> None:
    notice = first + GOOD["notice_number"][1:]
    assert codes(notice_number=notice, iuv="") == ["no_iuv"]
    assert accepted(notice_number=notice)["iuv"] == GOOD["iuv"]


def test_the_calendar_ends() -> None:
    assert codes(created_at="31-12-9999", expire_at="") == ["bad_created_at"]


def test_an_expiry_in_the_past_without_creation_is_before_it() -> None:
    assert codes(created_at="", expire_at="21-11-2026") == ["expires_before_created"]
    assert accepted(created_at="", expire_at="22-11-2026")["created_at"] == "2026-11-22"


def test_every_fault_of_a_row_is_told() -> None:
    row = cells(notice_number="1", amount="x", created_at="y", payer_email="z", reason="")
    faults = RULES.judge(row)
    assert isinstance(faults, list)
    assert [fault.code for fault in faults] == [
        "missing",
        "bad_notice_number",
        "bad_amount",
        "bad_created_at",
        "bad_payer_email",
    ]


@pytest.mark.parametrize("row", [[], ["x"], cells()[:-1], [*cells(), ""]])
def test_another_number_of_cells_than_the_header_has_is_a_fault_of_its_own(row: list[str]) -> None:
    faults = RULES.judge(row)
    assert isinstance(faults, list)
    assert [fault.code for fault in faults] == ["cell_count"]


def test_columns_may_come_in_any_order_and_optional_ones_may_be_absent() -> None:
    names = ["payer_tax_identification_number", "other", "reason", "amount", "notice_number"]
    due = Rules(names, TODAY).judge(["RCCMNL83S18D969H", "?", "Mensa", "5", "301000000000012345"])
    assert due == (
        *("301000000000012345", "01000000000012345", "5", "Mensa", "2026-11-22", "2026-12-22"),
        *("F", "RCCMNL83S18D969H", "", ""),
    )


@pytest.mark.parametrize(
    "code",
    [
        "RCCMNL83S18D969H",
        "RSSMRA85T10A562S",
        "RSSMRA85T10A56NH",  # omocodia: the digits from the right became letters
        "RSSMRA85T10ARSNO",
        "97103880585",  # the codice fiscale of a body without partita IVA
        "80078750587",
    ],
)
def test_known_tax_ids_are_taken(code: str) -> None:
    assert codicefiscale.is_valid(code)
    assert taxids.is_tax_id(code)
    assert taxids.fault(code) is None


def test_letters_whose_upper_case_is_ascii_do_not_sneak_in() -> None:
    assert codes(payer_tax_identification_number="R\N{LATIN SMALL LETTER SHARP S}MRA85T10A562S") == [
        "bad_tax_id"
    ]
    assert codes(payer_tax_identification_number="R\N{LATIN SMALL LETTER LONG S}SMRA85T10A562S") == [
        "bad_tax_id"
    ]


def stdnum_says(code: str) -> bool:
    try:
        return codicefiscale.validate(code) == code
    except ValidationError:
        return False


LETTERS, DIGITS = string.ascii_uppercase, string.digits
OMOCODIA = DIGITS + "LMNPQRSTUV"
SHAPE = [LETTERS] * 6 + [OMOCODIA] * 2 + ["ABCDEHLMPRST"] + [OMOCODIA] * 2 + [LETTERS] + [OMOCODIA] * 3
person_stems = st.tuples(*(st.sampled_from(signs) for signs in SHAPE)).map("".join)
persons = person_stems.map(lambda stem: stem + codicefiscale.calc_check_digit(stem))
firms = st.text(DIGITS, min_size=10, max_size=10).map(lambda stem: stem + luhn.calc_check_digit(stem))
tax_ids = st.one_of(
    persons,
    firms,
    st.text(DIGITS, min_size=11, max_size=11),
    st.tuples(person_stems, st.sampled_from(LETTERS)).map("".join),
    st.text(LETTERS + DIGITS, min_size=10, max_size=17),
    st.text(max_size=17).map(lambda text: text.encode("ascii", "ignore").decode()),
)


@settings(max_examples=500, deadline=None)
@given(tax_ids)
def test_the_fast_check_of_tax_ids_agrees_with_python_stdnum(code: str) -> None:
    assert taxids.is_tax_id(code) is stdnum_says(code)
    assert (taxids.fault(code) is None) is stdnum_says(code)


def test_the_fast_check_agrees_on_every_day_of_birth_and_every_office() -> None:
    chance = random.Random(1)
    for year in range(100):
        for month in "ABCDEHLMPRST":
            for day in range(100):
                stem = f"ABCDEF{year:02}{month}{day:02}{chance.choice(LETTERS)}{chance.randrange(1000):03}"
                code = stem + codicefiscale.calc_check_digit(stem)
                assert taxids.is_tax_id(code) is stdnum_says(code), code
    for office in range(1000):
        stem = f"{chance.randrange(10_000_000):07}{office:03}"
        code = stem + luhn.calc_check_digit(stem)
        assert taxids.is_tax_id(code) is stdnum_says(code), code


def either(good: str, *odd: str) -> st.SearchStrategy[str]:
    return st.one_of(st.just(good), st.just(""), st.sampled_from(odd or ("",)), st.text(max_size=20))


day_texts = st.dates(date(1, 1, 1), date(9999, 12, 31)).map(
    lambda day: f"{day.day:02}-{day.month:02}-{day.year:04}"
)
rows = st.fixed_dictionaries(
    {
        "notice_number": either(GOOD["notice_number"], "901000000000012345", "001000000000012345", "12"),
        "iuv": either(GOOD["iuv"], "123456789012345", "1234"),
        "amount": st.one_of(
            either("12.50", "0", "0.00", "1.999"), st.from_regex(r"\d{1,14}([.,]\d{0,3})?", fullmatch=True)
        ),
        "reason": either("Mensa", "x" * 140, "x" * 141),
        "created_at": st.one_of(either("01-11-2026", "30-02-2026"), day_texts),
        "expire_at": st.one_of(either("31-12-2026", "01-01-2020"), day_texts),
        "payer_type": either("F", "G", "X"),
        "payer_tax_identification_number": st.one_of(
            st.just(GOOD["payer_tax_identification_number"]),
            tax_ids,
            tax_ids.map(str.lower),
            st.text(max_size=16),
        ),
        "payer_name": either("Anna", "n" * 71),
        "payer_email": st.one_of(either("a@b.it", "a@b", "a..b@c.it"), st.emails()),
    }
)


@settings(max_examples=500, deadline=None)
@given(rows)
@example(GOOD)
@example(GOOD | {"created_at": "31-12-9999", "expire_at": ""})
def test_a_row_is_taken_just_when_no_fault_is_found(row: dict[str, str]) -> None:
    bare = [cell.strip() for cell in row.values()]
    assert (RULES.accept(bare) is None) is bool(RULES.explain(bare))


def unescaped(line: str) -> list[str]:
    """COPY's text format, read as PostgreSQL reads it."""
    meaning = {"t": "\t", "n": "\n", "r": "\r", "\\": "\\"}
    texts, signs = [""], iter(line)
    for sign in signs:
        if sign == "\t":
            texts.append("")
        else:
            texts[-1] += meaning[next(signs)] if sign == "\\" else sign
    return texts


@given(st.text(), st.text())
@example("a\\.b\tc\r\nd", "\\N")
def test_no_text_breaks_out_of_its_column_in_copy(reason: str, name: str) -> None:
    due: Due = ("1", "2", "3", reason, "5", "6", "F", "8", name, "10")
    line = copy_line(due)
    assert "\n" not in line
    assert "\r" not in line
    assert unescaped(line) == list(due)
