"""AIMS360: filters that mean harm change nothing, and show nothing but what the caller may see."""

import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import asyncpg
import pytest
from aiohttp import ClientSession
from hypothesis import given
from hypothesis import strategies as st

from asking import ask, key_for, other_tenant
from hostile_filters import corpus
from odata_asking import DOCUMENTS, EXPORT, JOBS, ask_odata, everything, listed
from service.dialects.aims360.entities import JOBS as SET
from service.dialects.aims360.filters import Values, condition
from service.errors import Malformed

EVERYTHING = """
SELECT md5(concat((SELECT json_agg(jobs ORDER BY id) FROM jobs),
                  (SELECT json_agg(asked ORDER BY job_id) FROM job_requests AS asked),
                  (SELECT json_agg(tenants ORDER BY id) FROM tenants), (SELECT json_agg(links ORDER BY id) FROM links),
                  (SELECT count(*) FROM keys), (SELECT count(*) FROM audit), (SELECT count(*) FROM pg_class)))
"""


async def test_hundreds_of_hostile_filters_change_and_show_nothing(
    api: ClientSession, many: list[dict[str, Any]], pool: asyncpg.Pool
) -> None:
    anna = await key_for(api, "anna@example.org", "user")
    hers = {job["jobID"] for job in many if job["createdBy"] == "anna@example.org"}
    theirs = await other_tenant(api)
    foreign = await ask(api, "POST", "/api/jobs", json={"type": "echo", "description": "x"}, headers=theirs)
    others = [job["jobID"] for job in many if job["createdBy"] != "anna@example.org"]
    filters = corpus() + [f"jobId eq '{one}'" for one in (*others, foreign.body["id"])]
    assert len(set(filters)) > 500
    before = await pool.fetchval(EVERYTHING)
    answered = {200: 0, 400: 0}
    for asked in filters:
        answer = await ask_odata(api, "GET", JOBS, params={"$filter": asked}, headers=anna)
        assert answer.status in answered, (asked, answer)
        answered[answer.status] += 1
        if answer.status == 200:
            assert {job["jobID"] for job in answer.body["value"]} <= hers, asked
    for asked in filters[::7]:
        answer = await ask_odata(api, "GET", DOCUMENTS, params={"$filter": asked}, headers=anna)
        assert answer.status == 400 or answer.body["value"] == [], asked
    assert min(answered.values()) > 200  # what is only a text is answered, all else is refused
    assert await pool.fetchval(EVERYTHING) == before
    assert len(await everything(api)) == len(many)


@pytest.mark.parametrize(
    "query",
    [
        {"$orderby": text}
        for text in ("", " ", ",", "jobStatus,", "x", "jobStatus up", "jobStatus desc desc", "publishLink",
                     "jobStatus; DROP TABLE jobs", "(SELECT 1)", "1", "jobs.tenant_id", "jobStatus ASC NULLS FIRST",
                     "jobStatus\0", "a" * 2000, ",".join(one.name for one in SET.properties))
    ]
    + [{"$select": text} for text in ("", "x", "jobStatus,", "jobStatus desc", "args", "jobs.args", "*/*", "a" * 2000)]
    + [{"$top": text} for text in ("", "-1", "x", "1.5", "1e3", "9" * 40, "٣", " 1", "+1", "²")]
    + [{"$skip": text} for text in ("", "-1", "x", "9" * 40, "0x1")]
    + [{"$count": text} for text in ("", "1", "True", "yes")]
    + [{"$skiptoken": text} for text in ("", "x", "AAAA", "é", "\0", "a" * 3000)]
    + [[("$filter", "true"), ("$filter", "true")], [("$top", "1"), ("$TOP", "2")]],
)  # fmt: skip
async def test_other_options_that_are_wrong_are_refused(api: ClientSession, query: Any) -> None:
    answer = await ask_odata(api, "GET", JOBS, params=query)
    assert (answer.status, answer.body["error"]["code"]) == (400, "malformed"), answer


@pytest.mark.parametrize(
    "name",
    [
        "$expand",
        "$search",
        "$apply",
        "$compute",
        "$format",
        "$levels",
        "$index",
        "$schemaversion",
        "$deltatoken",
        "$x",
        "$",
    ],
)
async def test_options_that_are_not_offered_are_501(api: ClientSession, name: str) -> None:
    for path in (JOBS, DOCUMENTS):
        answer = await ask_odata(api, "GET", path, params={name: "x", "$filter": "broken"})
        assert (answer.status, answer.body["error"]["code"]) == (501, "not_implemented")


async def test_parameters_that_are_none_of_odatas_are_ignored(api: ClientSession, submit: Any) -> None:
    await submit()
    answer = await ask_odata(api, "GET", JOBS, params={"x": "y", "filter": "broken", "%24": "z"})
    assert len(answer.body["value"]) == 1


EXPORTED = b'{"exportDataSettings": {"Source": "5ca1ab1e-0000-4000-8000-000000000001"}%s}'


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b"5", b'"x"', b"{}", b'{"exportDataSettings": null}', b'{"exportDataSettings": []}',
        b'{"exportDataSettings": {}, "outputFormat": "CSV"}',
        b'{"exportDataSettings": {"Source": "x"}, "outputFormat": "CSV"}',
        EXPORTED % b"", EXPORTED % b', "outputFormat": "PDF"', EXPORTED % b', "outputFormat": 5',
        EXPORTED % b', "outputFormat": null', EXPORTED % b', "outputFormat": "CSV", "publishLinkAccessScope": "all"',
        EXPORTED % b', "outputFormat": "CSV", "exportType": "\\u0000"',
        EXPORTED % b', "outputFormat": "CSV", "exportType": 5',
    ],
)  # fmt: skip
async def test_a_body_of_exportdata_that_is_wrong_is_400(api: ClientSession, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await ask_odata(api, "POST", EXPORT, data=body, headers=headers)
    assert answer.status == 400, answer
    assert (await listed(api))["value"] == []


LITERALS: dict[str, Callable[[str], str]] = {
    "createdBy eq {}": lambda text: f"'{text.replace(chr(39), 2 * chr(39))}'",
    "contains(jobDescription,{})": lambda text: f"'{text.replace(chr(39), 2 * chr(39))}'",
    "jobStatusText in ({},'x')": lambda text: f"'{text.replace(chr(39), 2 * chr(39))}'",
    "not (categoryName lt {} or jobID ne 'x')": lambda text: f"'{text.replace(chr(39), 2 * chr(39))}'",
}
_PLAIN = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@given(template=st.sampled_from(sorted(LITERALS)), text=_PLAIN)
def test_no_literal_reaches_the_text_of_a_statement(template: str, text: str) -> None:
    values, plain = Values(8), Values(8)
    made = condition(template.format(LITERALS[template](text)), SET.by_name, values)
    assert made == condition(template.format("'any'"), SET.by_name, plain)
    assert text in values.given or [text, "x"] in values.given
    assert len(re.findall(r"\$\d+::", made)) >= len(values.given)


@given(st.integers(-(10**25), 10**25) | st.decimals(-(10**9), 10**9, places=5))
def test_no_number_reaches_the_text_of_a_statement(number: Any) -> None:
    values = Values(8)
    made = condition(
        f"percentCompleted gt {number if isinstance(number, int) else format(number, 'f')}",
        SET.by_name,
        values,
    )
    assert made == condition("percentCompleted gt 1", SET.by_name, Values(8))
    assert values.given == [number]


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("(" * 32 + "true" + ")" * 32, "(" * 33 + "true" + ")" * 33),
        ("not " * 100 + "true", "not " * 101 + "true"),
        ("true".ljust(8_000), "true".ljust(8_001)),
        ("percentCompleted lt 1e30", "percentCompleted lt 1e31"),
        ("true" + " and true" * 800, "true" + " and true" * 890),
    ],
)
def test_a_filter_has_bounds(right: str, wrong: str) -> None:
    assert condition(right, SET.by_name, Values(8))
    with pytest.raises(Malformed):
        condition(wrong, SET.by_name, Values(8))


WORDS = (
    "jobStatus", "'x'", " eq ", " and ", "not ", "(", ")", ",", " in ", "5", "null", "contains(", "true", "/", ":", " ",
)  # fmt: skip
_SENT = st.text() | st.text("'()ie nqotabrdc,10-:/=@$.") | st.lists(st.sampled_from(WORDS)).map("".join)


@given(_SENT)
def test_whatever_is_sent_is_understood_or_refused(text: str) -> None:
    with suppress(Malformed):
        assert condition(text, SET.by_name, Values(8))
