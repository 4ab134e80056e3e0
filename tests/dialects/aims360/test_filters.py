"""AIMS360: $filter over every property, held against the same said in Python about what is shown."""

import operator
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
from aiohttp import ClientSession

from asking import put_into
from odata_asking import JOBS, ask_odata, everything, listed, the_job
from running import Submit
from service.dialects.aims360 import wire
from service.dialects.aims360.entities import JOBS as SET
from service.dialects.aims360.entities import TIME, WHOLE, Property
from service.jobs.states import Status

ASKABLE = [one for one in SET.properties if one.sql is not None]
TEXTS = [one for one in ASKABLE if one.type not in (TIME, WHOLE)]
ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}
FUNCTIONS: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda text, part: part in text,
    "startswith": str.startswith,
    "endswith": str.endswith,
}


def literal(value: Any, prop: Property) -> str:
    """A value as a filter writes it."""
    if value is None:
        return "null"
    return str(value) if prop.type != "Edm.String" else f"'{value.replace(chr(39), 2 * chr(39))}'"


def values(many: list[dict[str, Any]], prop: Property) -> list[Any]:
    """All values of a property, without null, and one that none has."""
    found = sorted({job[prop.name] for job in many if job[prop.name] is not None})
    return [*found, {TIME: "2031-01-01T00:00:00.001Z", WHOLE: 77}.get(prop.type, "Nonsense")]


def comparable(value: Any, prop: Property) -> Any:
    return datetime.fromisoformat(value).astimezone(UTC) if prop.type == TIME else value


async def check(api: ClientSession, asked: str, wanted: Iterable[dict[str, Any]]) -> int:
    """The list finds exactly the jobs that Python finds; how many they are."""
    found = {job["jobID"] for job in await everything(api, asked)}
    assert found == {job["jobID"] for job in wanted}, asked
    return len(found)


async def test_every_property_is_compared_with_each_of_its_values(
    api: ClientSession, many: list[dict[str, Any]]
) -> None:
    assert len(many) == 36
    for prop in ASKABLE:
        name, here = prop.name, values(many, prop)
        for value in here if name != "jobID" else here[::6]:
            text = literal(value, prop)
            await check(api, f"{name} eq {text}", [job for job in many if job[name] == value])
            await check(api, f"{name.upper()} ne {text}", [job for job in many if job[name] != value])
        for word, compare in ORDERS.items():
            middle = here[len(here) // 2]
            known = [job for job in many if job[name] is not None]
            wanted = [job for job in known if compare(comparable(job[name], prop), comparable(middle, prop))]
            await check(api, f"{name.lower()} {word} {literal(middle, prop)}", wanted)
        for few in (here[:1], here[::2], [None, here[0]]):
            inside = ", ".join(literal(one, prop) for one in few)
            await check(api, f"{name} in ({inside})", [job for job in many if job[name] in few])


async def test_every_text_is_searched(api: ClientSession, many: list[dict[str, Any]]) -> None:
    for prop in TEXTS:
        here = values(many, prop)
        parts = {
            here[0][:3],
            here[0][-3:],
            here[len(here) // 2][1:4],
            "",
            "%",
            "_",
            "'",
            "\\",
            "🦆",
            "reports",
        }
        known = [job for job in many if job[prop.name] is not None]
        for word, holds in FUNCTIONS.items():
            for part in parts:
                asked = f"{word}({prop.name},{literal(part, prop)})"
                await check(api, asked, [job for job in known if holds(job[prop.name], part)])


async def test_null_is_compared_as_odata_says(api: ClientSession, many: list[dict[str, Any]]) -> None:
    for prop in ASKABLE:
        name = prop.name
        none = await check(api, f"{name} eq null", [job for job in many if job[name] is None])
        assert none == 0 or prop.nullable
        await check(api, f"null ne {name}", [job for job in many if job[name] is not None])
        await check(api, f"not ({name} eq null)", [job for job in many if job[name] is not None])
        await check(api, f"{name} gt null", [])
    others = [job for job in many if job["categoryName"] != "Reports"]
    await check(api, "not (categoryName eq 'Reports')", others)
    await check(api, "not (startDate gt 1999-01-01)", [job for job in many if job["startDate"] is None])
    # A function of null is null, and so is its contrary: neither holds.
    known = [job for job in many if job["categoryName"] is not None]
    await check(api, "not contains(categoryName,'zzz')", known)


CASES: dict[str, Callable[[dict[str, Any]], bool]] = {
    "jobStatus eq 'Failed' and percentCompleted gt 10": lambda j: (
        j["jobStatus"] == "Failed" and j["percentCompleted"] > 10
    ),
    "jobStatus eq 'Failed' or jobStatus eq 'Queued'": lambda j: j["jobStatus"] in ("Failed", "Queued"),
    "not (jobStatus eq 'Failed') and canReRun eq 'Yes'": lambda j: (
        j["jobStatus"] != "Failed" and j["canReRun"] == "Yes"
    ),
    "jobStatus eq 'Queued' or canReRun eq 'No' and createdBy eq 'bob'": lambda j: (
        j["jobStatus"] == "Queued" or (j["canReRun"] == "No" and j["createdBy"] == "bob")
    ),
    "(jobStatus eq 'Queued' or canReRun eq 'No') and createdBy eq 'bob'": lambda j: (
        (j["jobStatus"] == "Queued" or j["canReRun"] == "No") and j["createdBy"] == "bob"
    ),
    "'Failed' eq jobStatus": lambda j: j["jobStatus"] == "Failed",
    "30 lt percentCompleted": lambda j: j["percentCompleted"] > 30,
    "percentCompleted ge 9.5 and percentCompleted le 1e1": lambda j: j["percentCompleted"] == 10,
    "percentCompleted gt -1": lambda _: True,
    "percentCompleted gt - 1": lambda _: True,
    "contains(createdBy,'bob') eq true": lambda j: j["createdBy"] == "bob",
    "contains(createdBy,'bob') ne true": lambda j: j["createdBy"] != "bob",
    "true": lambda _: True,
    "false": lambda _: False,
    "not true or createdBy eq 'bob'": lambda j: j["createdBy"] == "bob",
    "createdDate ge 2026-10-22T14:00:00.014+02:00": lambda j: j["createdDate"] >= "2026-10-22T12:00:00.014Z",
    "createdDate lt 2026-10-22T12:00:00.014": lambda j: j["createdDate"] < "2026-10-22T12:00:00.014Z",
    "createdDate gt 2026-10-23": lambda _: False,
    " createdBy eq 'bob' ": lambda j: j["createdBy"] == "bob",
    "jobStatus in ('Failed')": lambda j: j["jobStatus"] == "Failed",
    "jobStatus in ( 'Failed' , 'Queued' )": lambda j: j["jobStatus"] in ("Failed", "Queued"),
    "percentCompleted in (10)": lambda j: j["percentCompleted"] == 10,
}


async def test_conditions_are_put_together(api: ClientSession, many: list[dict[str, Any]]) -> None:
    for asked, wanted in CASES.items():
        await check(api, asked, filter(wanted, many))
    hundreds = " or ".join(f"percentCompleted eq {number}" for number in range(0, 300, 2))
    await check(api, hundreds, [job for job in many if job["percentCompleted"] % 2 == 0])


async def test_ids_are_found_in_both_forms_and_not_with_another_time(
    api: ClientSession, submit: Submit
) -> None:
    made = await submit()
    job = await the_job(api, made["id"])
    created = datetime.fromisoformat(made["created_at"])
    assert job["jobID"] == f"{made['id']}-{created:%Y%m%d%H%M%S}{created.microsecond // 1000:03d}"
    for name in (job["jobID"], made["id"].upper(), job["jobID"].upper()):
        assert (await the_job(api, name)) == job
    assert (await listed(api, f"jobid eq {made['id']}"))["value"] == [job]
    wrong = (f"{made['id']}-20200101000000000", f"{made['id']}-20201301000000000", f"{made['id']}-1", "x", "")
    for name in wrong:
        assert (await listed(api, f"jobId eq '{name}'"))["value"] == []
        assert (await listed(api, f"jobId ne '{name}'"))["value"] == [job]
    assert (await listed(api, f"jobId in ('{wrong[0]}','{made['id']}')"))["value"] == [job]


@pytest.mark.parametrize("status", list(Status))
async def test_a_word_finds_every_status_that_it_stands_for(
    api: ClientSession, submit: Submit, pool: asyncpg.Pool, status: Status
) -> None:
    made = {one: (await submit())["id"] for one in Status}
    for one, job_id in made.items():
        await put_into(pool, job_id, one)
    job = await the_job(api, made[status])
    assert job["jobStatus"] == wire.WORDS[status]
    found = (await listed(api, f"jobStatus eq '{job['jobStatus']}'"))["value"]
    meant = {made[one] for one in Status if wire.WORDS[one] == wire.WORDS[status]}
    assert {one["jobID"][:36] for one in found} == meant
    assert ("cancelled" in job["jobStatusText"]) == (status is Status.CANCELLED)
    if status is Status.CANCELLED:
        assert (job["response"], job["publishLink"]) == (None, None)


async def test_what_is_gone_is_absent(api: ClientSession, submit: Submit) -> None:
    made = await submit()
    async with api.delete(f"/api/jobs/{made['id']}") as response:
        assert response.status == 204
    assert (await listed(api, f"jobId eq '{made['id']}'"))["value"] == []
    assert (await ask_odata(api, "GET", f"{JOBS}?$filter=jobStatus eq 'Nonsense'")).body["value"] == []
