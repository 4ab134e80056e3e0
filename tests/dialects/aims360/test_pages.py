"""AIMS360: pages, orders, selections, counts; and a client of OData that nobody here has written."""

import asyncio
import xml.etree.ElementTree as ET
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
import requests
from aiohttp import ClientSession
from odata import ODataService

from asking import key_for
from filling import NOON, fill, put
from odata_asking import DOCUMENTS, JOBS, ask_odata, everything, listed
from service.dialects.aims360 import entities

EDM = "{http://docs.oasis-open.org/odata/ns/edm}"


async def test_links_lead_over_a_thousand_jobs_without_a_gap_while_others_come(
    api: ClientSession, pool: asyncpg.Pool
) -> None:
    await fill(pool, 1_050)
    before = {str(row["id"]) for row in await pool.fetch("SELECT id FROM jobs")}
    for order in (None, "createdDate", "completedDate desc", "jobStatus,createdDate desc", "jobID"):
        options = {} if order is None else {"orderby": order}
        page = await listed(api, "createdBy eq 'admin'", count="true", **options)
        seen, counts = [], set()
        while True:
            assert len(page["value"]) <= 100
            seen += [job["jobID"][:36] for job in page["value"]]
            counts.add(page["@odata.count"])
            if "@odata.nextLink" not in page:
                break
            await put(pool, created_by="admin", created_at=NOON + timedelta(days=1))
            await put(pool, created_by="admin", created_at=NOON - timedelta(days=1))
            async with api.get(page["@odata.nextLink"]) as response:
                page = await response.json()
        assert len(seen) == len(set(seen))
        assert before <= set(seen)
        assert min(counts) >= len(before)


async def test_top_and_skip_cut_what_is_shown(api: ClientSession, pool: asyncpg.Pool) -> None:
    await fill(pool, 260)
    every = [job["jobID"] for job in await everything(api)]
    assert len(every) == len(set(every)) == 260
    for top, skip in (
        (0, 0),
        (1, 0),
        (99, 3),
        (100, 0),
        (101, 0),
        (200, 10),
        (250, 5),
        (1000, 100),
        (5, 259),
        (5, 400),
    ):
        found = [job["jobID"] for job in await everything(api, top=top, skip=skip)]
        assert found == every[skip : skip + top]
    page = await listed(api, top=250, skip=5, count="true", select="jobID")
    assert page["@odata.count"] == 260
    assert "%24" not in page["@odata.nextLink"]
    assert "$top=150" in page["@odata.nextLink"]
    assert page["@odata.context"].endswith("$metadata#backgroundjob(jobID)")
    assert page["value"][0].keys() == {"@odata.etag", "jobID"}
    assert "@odata.nextLink" not in await listed(api, top=100)


async def test_every_property_gives_an_order_with_null_as_the_least(
    api: ClientSession, many: list[dict[str, Any]]
) -> None:
    for prop in entities.JOBS.properties:
        if prop.sql is None:
            continue
        for direction in ("", " asc", " desc"):
            found = await everything(api, orderby=f"{prop.name.lower()}{direction}")
            shown = [job[prop.name] for job in found]
            ranked = [(value is not None, value if value is not None else "") for value in shown]
            assert ranked == sorted(ranked, reverse=direction == " desc"), prop.name
            assert {job["jobID"] for job in found} == {job["jobID"] for job in many}


@pytest.mark.parametrize(
    "order", ["categoryName,startDate desc", "startDate,categoryName desc,percentCompleted"]
)
async def test_pages_go_on_behind_nulls(api: ClientSession, pool: asyncpg.Pool, order: str) -> None:
    for place in range(230):
        word, started = (None, "a", "b")[place % 3], (None, NOON, NOON + timedelta(hours=1))[place // 3 % 3]
        await put(pool, "finished", category=word, started_at=started, created_at=NOON)
    found = await everything(api, orderby=order)
    assert len({job["jobID"] for job in found}) == len(found) == 230

    def rank(value: Any) -> tuple[bool, Any]:
        return value is not None, value if value is not None else ""

    for part in reversed(order.split(",")):
        name, _, direction = part.partition(" ")
        found.sort(key=lambda job, name=name: rank(job[name]), reverse=direction == "desc")  # type: ignore[misc]
    again = await everything(api, orderby=order)
    names = [part.partition(" ")[0] for part in order.split(",")]
    assert [[job[name] for name in names] for job in again] == [
        [job[name] for name in names] for job in found
    ]


async def test_a_token_is_good_for_its_own_question_alone(api: ClientSession, pool: asyncpg.Pool) -> None:
    await fill(pool, 101)
    link = (await listed(api, "createdBy eq 'admin'"))["@odata.nextLink"]
    assert (await ask_odata(api, "GET", link)).status == 200
    others = (
        link.replace("admin", "anna"),
        f"{link}&$orderby=jobID",
        link.replace("$skiptoken=", "$skiptoken=A"),
        link[:-1],
    )
    for other in others:
        assert (await ask_odata(api, "GET", other)).status == 400


async def test_links_and_contexts_are_of_the_host_that_was_called(
    api: ClientSession, pool: asyncpg.Pool
) -> None:
    await fill(pool, 101)
    page = await listed(api, headers={"Host": "jobs.example.org:8443"})
    assert page["@odata.context"].startswith("http://jobs.example.org:8443/jobsmanagement/odata/v1.0/")
    assert page["@odata.nextLink"].startswith("http://jobs.example.org:8443/jobsmanagement/odata/v1.0/")
    answer = await ask_odata(api, "GET", JOBS)
    assert answer.headers["OData-Version"] == "4.0"


@pytest.mark.parametrize("kind", [entities.JOBS, entities.DOCUMENTS], ids=lambda kind: kind.name)
async def test_the_metadata_describes_the_entities(api: ClientSession, kind: entities.EntitySet) -> None:
    async with api.get(f"{kind.root}/$metadata") as response:
        assert (response.status, response.content_type) == (200, "application/xml")
        root = ET.fromstring(await response.text())
    assert root.tag == "{http://docs.oasis-open.org/odata/ns/edmx}Edmx"
    assert root.attrib["Version"] == "4.0"
    (made,) = root.iter(f"{EDM}EntityType")
    told = {one.attrib["Name"]: one.attrib for one in made.findall(f"{EDM}Property")}
    assert list(told) == [one.name for one in kind.properties]
    assert {name for name, one in told.items() if one.get("Nullable") != "false"} == {
        one.name for one in kind.properties if one.nullable
    }
    (key,) = made.iter(f"{EDM}PropertyRef")
    assert key.attrib["Name"] in told
    (entity_set,) = root.iter(f"{EDM}EntitySet")
    assert entity_set.attrib["Name"] == kind.name
    assert entity_set.attrib["EntityType"].rpartition(".")[2] == made.attrib["Name"]


async def test_a_public_client_of_odata_reads_the_metadata_and_filters(
    api: ClientSession, many: list[dict[str, Any]], pool: asyncpg.Pool
) -> None:
    bearer = await key_for(api, "vera", "viewer")
    await fill(pool, 210)

    def ask() -> dict[str, Any]:
        with requests.Session() as session:
            session.headers.update(bearer)
            address = str(api._base_url).rstrip("/") + JOBS.rpartition("/")[0]
            service = ODataService(address, reflect_entities=True, session=session, quiet_progress=True)
            job = service.entities["backgroundjob"]
            query = service.query(job)
            found = {
                "failed": [one.jobID for one in query.filter(job.jobStatus == "Failed").all()],
                "searched": [one.jobID for one in query.filter(job.categoryName.contains("It's")).all()],
                "both": [
                    one.jobID
                    for one in query.filter(job.percentCompleted > 10).filter(job.createdBy == "bob").all()
                ],
                "ordered": [one.createdDate for one in query.order_by(job.createdDate.desc()).limit(5).all()],
                "counted": query.filter(job.jobStatus == "Failed").count(),
                "selected": query.select(job.jobID, job.canReRun).limit(1).all(),
                "pages": len(query.filter(job.createdBy == "admin").all()),
                "one": query.get(many[0]["jobID"]).jobStatusText,
            }
            found["times"] = sorted(
                one.jobID for one in query.filter(job.createdDate < NOON + timedelta(1)).all()
            )
            return found

    found = await asyncio.to_thread(ask)
    every = await everything(api)
    assert set(found["failed"]) == {job["jobID"] for job in every if job["jobStatus"] == "Failed"}
    assert found["counted"] == len(found["failed"]) == len(set(found["failed"]))
    assert set(found["searched"]) == {job["jobID"] for job in many if "It's" in (job["categoryName"] or "")}
    assert set(found["both"]) == {
        job["jobID"] for job in many if job["percentCompleted"] > 10 and job["createdBy"] == "bob"
    }
    assert found["ordered"] == sorted(found["ordered"], reverse=True)
    assert found["selected"][0].keys() == {"@odata.etag", "jobID", "canReRun"}
    assert found["pages"] == sum(job["createdBy"] == "admin" for job in every) > 200
    assert found["one"] == many[0]["jobStatusText"]
    assert len(found["times"]) == len(every)
    assert (await listed(api, path=DOCUMENTS))["value"] == []
