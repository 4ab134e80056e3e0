"""AIMS360: exports, documents and their links; who may have them, and what is said to others."""

import asyncio
import csv
import io
import json
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

import asyncpg
import openpyxl
import orjson
import pytest
from aiohttp import ClientSession
from multidict import MultiDict

from asking import ask, key_for, other_tenant
from filling import fill
from odata_asking import DOCUMENTS, EXPORT, JOBS, ask_odata, listed, rerun_path, the_job
from plans import rows_read
from running import Submit, until
from service.access.principal import Permission, Principal
from service.dialects.aims360 import listing
from service.dialects.aims360.entities import DOCUMENTS as DOCUMENT_SET
from service.jobs.listing import PLAN

SERVICE = "5ca1ab1e-0000-4000-8000-000000000001"
SCOPES = ("Public", "Private", "PeopleInOrganization")
DUE = """
INSERT INTO dovuti (tenant_id, service_id, notice_number, iuv, amount, reason, created_at, expire_at, payer_type,
                    payer_tax_identification_number, job_id)
VALUES (1, $1, '123456789012345678', '12345678901234567', 12.5, 'Mensa', '2026-01-01', '2026-02-01', 'F', 'X', $2)
"""

PUT_DOCUMENTS = """
WITH kept AS (
    INSERT INTO files (id, tenant_id, name, mime_type, size, sha256, storage_key, created_by)
    SELECT id, 1, 'open.csv', 'text/csv', 10, sha256(id::text::bytea), id::text, 'admin' FROM jobs
), linked AS (
    INSERT INTO links (id, tenant_id, job_id, scope, created_by) SELECT id, 1, id, 'private', 'admin' FROM jobs
)
INSERT INTO outputs (id, job_id, tenant_id, run, position, file_id, created_at)
SELECT id, id, 1, 1, 0, id, terminated_at FROM jobs
"""


async def export(api: ClientSession, format_: str = "CSV", scope: str = "Private", **more: Any) -> Any:
    settings = {"Source": SERVICE, "viewName": "Open dues"}
    body = {"exportType": "View", "exportDataSettings": settings, "exportCriteriaVersion": "v1.0"}
    asked = {**body, "outputFormat": format_, "publishLinkAccessScope": scope, **more}
    made = await ask_odata(api, "POST", EXPORT, json=asked)
    assert made.status == 200, made
    return made.body


async def status_for(api: ClientSession, url: str, headers: dict[str, str] | None) -> int:
    """What an address answers to others than the admin; None sends no token."""
    async with ClientSession() as nobody:
        return (await ask_odata(nobody, "GET", url, headers=headers)).status


async def rows_of(api: ClientSession, url: str, format_: str) -> list[dict[str, Any]]:
    async with api.get(url) as response:
        assert response.status == 200
        data = await response.read()
    if format_ == "JSON":
        return list(json.loads(data))
    if format_ == "CSV":
        return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
    names, *lines = openpyxl.load_workbook(io.BytesIO(data)).active.iter_rows(values_only=True)
    return [dict(zip(map(str, names), line, strict=True)) for line in lines]


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("format_", ["JSON", "CSV", "Excel"])
async def test_an_export_runs_from_its_request_to_its_file(
    api: ClientSession, pool: asyncpg.Pool, worker: object, format_: str, scope: str
) -> None:
    await pool.execute(DUE, SERVICE, uuid4())
    made = await export(api, format_.lower(), scope.upper())
    assert list(made) == ["jobId", "jobStatus", "publishLink", "publishLinkAccessScope"]
    assert (made["jobStatus"], made["publishLinkAccessScope"]) == ("Queued", scope.upper())
    await until(api, made["jobId"][:36], "finished")
    job = await the_job(api, made["jobId"])
    assert (job["jobStatus"], job["responseType"]) == ("Completed", "Publishlink")
    assert (job["publishLink"], job["publishLinkAccessScope"]) == (made["publishLink"], scope)
    (document,) = json.loads(job["response"])
    assert document["DocumentGUID"] == document["DocumentID"]
    ending = {"JSON": ".json", "CSV": ".csv", "Excel": ".xlsx"}[format_]
    assert (document["documentName"], document["Type"]) == (f"dovuti{ending}", ending)
    for url in (job["publishLink"], document["DownloadLink"]):
        (row,) = await rows_of(api, url, format_)
        assert (row["notice_number"], row["reason"]) == ("123456789012345678", "Mensa")
    (told,) = (await listed(api, f"documentGUID eq '{document['DocumentID']}'", path=DOCUMENTS))["value"]
    assert told["documentName"] == told["title"] == document["documentName"]
    assert (told["accessScope"], told["category"]) == (scope.upper(), "backgroundJob")
    assert told["fileType"] == ending[1:].upper()
    assert (told["downloadUri"], told["expiryDate"]) == (document["DownloadLink"], document["ExpiryDate"])
    assert told["fileSize"] / 2**20 == told["fileSizeInMB"] == document["SizeInMB"]


@pytest.mark.parametrize("scope", SCOPES)
async def test_a_link_is_there_from_the_start_and_again_for_a_rerun(
    api: ClientSession, scope: str
) -> None:  # nobody takes the job yet
    made = await export(api, scope=scope)
    job = await the_job(api, made["jobId"])
    assert job["publishLink"] == made["publishLink"]
    assert (job["responseType"], job["response"]) == ("Publishlink", None)
    early = await ask_odata(api, "GET", made["publishLink"])
    assert (early.status, early.body["error"]["code"]) == (409, "not_ready")
    assert int(early.headers["Retry-After"]) > 0
    native = await ask(api, "GET", f"/api/jobs/{made['jobId'][:36]}")
    assert native.body["publish_link"] is not None
    assert native.body["publish_link_access_scope"] == {"PeopleInOrganization": "organization"}.get(
        scope, scope.lower()
    )


async def test_the_link_outlives_a_rerun(api: ClientSession, worker: object, pool: asyncpg.Pool) -> None:
    made = await export(api, scope="Public")
    job_id = made["jobId"][:36]
    await until(api, job_id, "finished")
    first = await the_job(api, made["jobId"])
    assert await status_for(api, made["publishLink"], None) == 200
    await pool.execute("UPDATE jobs SET worker_tag = 'none such' WHERE id = $1", job_id)
    again = await ask_odata(api, "POST", rerun_path(made["jobId"]))
    assert again.body == made
    assert await status_for(api, made["publishLink"], None) == 409
    assert (await listed(api, path=DOCUMENTS))["value"] == []
    waiting = await the_job(api, made["jobId"])
    assert (waiting["publishLink"], waiting["response"]) == (made["publishLink"], None)
    old = json.loads(first["response"])[0]["DownloadLink"]  # of the run before, which is kept
    assert await status_for(api, old, None) == 200


async def test_who_may_have_a_document(api: ClientSession, worker: object) -> None:
    mate, viewer = await key_for(api, "bob", "user"), await key_for(api, "vera", "viewer")
    stranger = await other_tenant(api)
    creator = {"Authorization": api.headers["Authorization"]}
    wrong = {"Authorization": "Bearer nobody"}
    for scope, open_to in (("Public", None), ("PeopleInOrganization", 200), ("Private", 403)):
        made = await export(api, scope=scope)
        await until(api, made["jobId"][:36], "finished")
        job = await the_job(api, made["jobId"])
        for url in (job["publishLink"], json.loads(job["response"])[0]["DownloadLink"]):
            bare = url if scope != "Public" else url.rpartition("/")[0]
            assert (len(url) > len(bare)) == (scope == "Public")
            asking = ((None, 401), (wrong, 401), (creator, 200), (mate, open_to or 200), (viewer, open_to or 200),
                      (stranger, 404))  # fmt: skip
            for who, status in asking:
                assert await status_for(api, bare, who) == status, (scope, who)
                assert await status_for(api, url, who) == (status if scope != "Public" else 200)
            # A token is right or wrong; a right one does not stand for the login.
            assert await status_for(api, f"{bare}/{'x' * 51}", creator) == 404
            link_id = bare.rpartition("/")[2]
            other = bare.replace(link_id, f"{link_id[:36]}-20200101000000000")
            assert await status_for(api, other, creator) == 404
            assert await status_for(api, bare.replace(link_id, link_id[:36]), creator) == 200


async def test_a_wrong_token_tells_nothing_of_the_document(api: ClientSession) -> None:
    made = await export(api, scope="Public")
    url, _, token = made["publishLink"].rpartition("/")
    address, _, named = url.rpartition("/")
    elsewhen = f"{named[:36]}-20200101000000000"
    ids = (named, named[:36], elsewhen, str(uuid4()), "no-id")
    told = [(await ask_odata(api, "GET", f"{address}/{one}/{'x' * len(token)}")).body for one in ids]
    assert told == [told[0]] * len(ids)
    assert told[0]["error"]["code"] == "not_found"
    assert (await ask_odata(api, "GET", f"{address}/{elsewhen}/{token}")).status == 404


async def test_a_link_that_was_revoked_ends_all_documents_of_its_job(
    api: ClientSession, worker: object, pool: asyncpg.Pool
) -> None:
    made = await export(api, scope="Public")
    await until(api, made["jobId"][:36], "finished")
    job = await the_job(api, made["jobId"])
    await pool.execute("UPDATE links SET revoked_at = now()")
    for url in (job["publishLink"], json.loads(job["response"])[0]["DownloadLink"]):
        assert await status_for(api, url, None) == 410


async def test_the_request_of_a_job_is_given_back_to_who_may_see_it(
    api: ClientSession, submit: Submit
) -> None:
    made = await submit(args={"a": [1, {"b": None}]}, description="mine", labels={"x": "y"}, priority="high")
    url = (await the_job(api, made["id"]))["requestURL"]
    request = (await ask_odata(api, "GET", url)).body
    assert request["args"] == {"a": [1, {"b": None}]}
    assert (request["type"], request["description"], request["labels"]) == ("echo", "mine", {"x": "y"})
    assert (await ask(api, "POST", "/api/jobs", json=request)).status == 201  # it is a request
    mate, viewer = await key_for(api, "bob", "user"), await key_for(api, "vera", "viewer")
    for who, status in ((None, 401), (mate, 404), (viewer, 200), (await other_tenant(api), 404)):
        assert await status_for(api, url, who) == status
    body = {
        "exportType": "View",
        "exportDataSettings": {"Source": SERVICE.upper(), "viewName": "Open dues"},
        "exportCriteriaVersion": "v1.0",
        "outputFormat": "excel",
        "publishLinkAccessScope": "peopleinorganization",
    }
    exported = await ask_odata(api, "POST", EXPORT, json=body)
    assert (
        await ask_odata(api, "GET", (await the_job(api, exported.body["jobId"]))["requestURL"])
    ).body == body


async def test_secrets_and_attachments_of_a_request_stay_where_they_are(
    api: ClientSession, submit: Submit
) -> None:
    attachment = {"name": "dovuti.csv", "file": "YQ=="}
    made = await submit("import_dovuti", args={"service_id": SERVICE}, attachment=attachment)
    request = (await ask_odata(api, "GET", (await the_job(api, made["id"]))["requestURL"])).body
    assert request["attachment"]["name"] == "dovuti.csv"
    async with api.get(request["attachment"]["file"]) as response:
        assert await response.read() == b"a"


async def test_results_are_json_in_a_text(api: ClientSession, worker: object, submit: Submit) -> None:
    done = await submit(args={"a": 1})
    await until(api, done["id"], "finished")
    job = await the_job(api, done["id"])
    assert (json.loads(job["response"]), job["responseType"], job["publishLink"]) == (
        {"a": 1},
        "In-line JSON",
        None,
    )
    plain = await submit("steps", args={"steps": 1})
    await until(api, plain["id"], "finished")
    assert json.loads((await the_job(api, plain["id"]))["response"]) == "done"
    failed = await submit("sleep", args={"seconds": 0, "steps": 1, "fail": True})
    native = await until(api, failed["id"], "failed")
    job = await the_job(api, failed["id"])
    assert json.loads(job["response"]) == native["error"]
    assert (job["jobStatus"], job["jobStatusText"]) == ("Failed", native["error"]["message"])
    large = await submit("sleep", args={"seconds": 0, "steps": 1, "output_bytes": 100_000})
    await until(api, large["id"], "finished")
    job = await the_job(api, large["id"])
    assert (job["responseType"], len(json.loads(job["response"]))) == ("Publishlink", 1)


async def test_others_see_and_run_what_they_may_natively(api: ClientSession, submit: Submit) -> None:
    made = await submit()
    job_id = (await the_job(api, made["id"]))["jobID"]
    mate, viewer = await key_for(api, "bob", "user"), await key_for(api, "vera", "viewer")
    stranger = await other_tenant(api)
    for who in (mate, stranger):
        assert (await listed(api, headers=who, count="true"))["@odata.count"] == 0
        assert (await listed(api, f"jobId eq '{job_id}'", headers=who))["value"] == []
        assert (await ask_odata(api, "POST", rerun_path(job_id), headers=who)).status == 404
    assert len((await listed(api, headers=viewer))["value"]) == 1
    assert (await ask_odata(api, "POST", rerun_path(job_id), headers=viewer)).status == 403
    assert (await ask_odata(api, "POST", EXPORT, json={}, headers=viewer)).status == 403
    async with ClientSession(api._base_url) as nobody:
        for method, path in (("GET", JOBS), ("GET", DOCUMENTS), ("POST", rerun_path(job_id)), ("POST", EXPORT),
                             ("GET", f"{JOBS.rpartition('/')[0]}/$metadata")):  # fmt: skip
            refused = await ask_odata(nobody, method, path)
            assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
    for unknown in (str(uuid4()), "x", f"{made['id']}-20200101000000000", f"{made['id']}-1"):
        assert (await ask_odata(api, "POST", rerun_path(unknown))).status == 404
        assert (await ask_odata(api, "GET", f"/documentmanagement/v1.0/aimsdocument/{unknown}")).status == 404
    for nowhere in ("/jobsmanagement", "/documentmanagement/x", "/reports/v1.0/reports"):
        assert (await ask_odata(api, "GET", nowhere)).status == 404
    assert (await ask_odata(api, "DELETE", JOBS)).status == 405


async def test_a_page_of_documents_reads_no_more_than_it_shows(pool: asyncpg.Pool) -> None:
    await fill(pool, 5_000)
    await pool.execute(PUT_DOCUMENTS)
    await pool.execute("VACUUM ANALYZE outputs, files, links, jobs")
    admin = Principal(1, "default", "admin", ("admin",), (), None, frozenset(Permission))
    asked: list[asyncpg.connection.LoggedQuery] = []
    async with pool.acquire() as connection, connection.transaction(readonly=True):
        await connection.execute(PLAN)
        query = MultiDict[str]()
        for _ in range(20):
            with connection.query_logger(asked.append):
                page = await listing.page(connection, DOCUMENT_SET, admin, query, {}, ("secret" * 6,))
            await asyncio.sleep(0)  # it is told of in the loop's next turn
            told = await connection.fetchval(
                f"EXPLAIN (ANALYZE, FORMAT JSON) {asked[-1].query}", *asked[-1].args
            )
            assert len(page.rows) == 100
            assert (
                rows_read(orjson.loads(told)[0]["Plan"]) <= 5 * 101
            )  # of four tables, and one of each is read ahead
            query = MultiDict(parse_qsl(page.following))
