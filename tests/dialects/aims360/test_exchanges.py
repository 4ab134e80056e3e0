"""AIMS360: every request and response that the vendor's page prints."""

import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import ClientSession
from yarl import URL

from asking import ask
from odata_asking import EXPORT, ask_odata, rerun_path, the_job
from running import Submit, until
from service.dialects.aims360 import wire
from service.jobs.states import Status

HERE = Path(__file__).parent
SERVICE = "5ca1ab1e-0000-4000-8000-000000000001"
STAMPED = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-[0-9]{17}")
REPORT = {
    "exportType": "View",
    "exportDataSettings": {"Source": SERVICE, "viewName": "Open dues"},
    "exportCriteriaVersion": "v1.0",
    "outputFormat": "Excel",
    "publishLinkAccessScope": "Public",
}
# The table of the page has one name in another letter case than its example; the example counts.
TABLE = {
    "jobID", "categoryName", "subCategoryName", "jobDescription", "clientID", "DatabaseName", "accountCode",
    "clientRequestId", "jobStatus", "jobStatusText", "percentCompleted", "responseType", "publishLink",
    "publishLinkAccessScope", "response", "requestURL", "startDate", "completedDate", "purgeDateTime", "canReRun",
    "createdBy", "createdDate", "modifiedBy", "modifiedDate",
}  # fmt: skip


def printed(name: str) -> Any:
    """An exchange as the vendor's page prints it."""
    return json.loads((HERE / f"{name}.json").read_text())


def kind(value: Any) -> Any:
    """Names, nesting and types, and of a text what it is: a link, a time, an id, JSON, or any."""
    if isinstance(value, dict):
        return {name: kind(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [kind(inner) for inner in value]
    return _kind_of_text(value) if isinstance(value, str) else type(value).__name__


def _kind_of_text(value: str) -> Any:
    if value.startswith(("[", "{")):
        return kind(json.loads(value))
    if "://" in value:
        return re.sub(r"/[\w-]{51,}$", "/token", STAMPED.sub("id", URL(value).path_safe))
    if STAMPED.fullmatch(value):
        return "id"
    return "time" if re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}\.\d+Z", value) else "text"


async def exported(api: ClientSession, **more: Any) -> Any:
    made = await ask_odata(api, "POST", EXPORT, json={**REPORT, **more})
    assert made.status == 200, made
    return made.body


async def test_the_printed_list_is_answered_name_by_name_and_kind_by_kind(
    api: ClientSession, worker: object
) -> None:
    await ask(api, "PATCH", "/api/tenant", json={"account_code": "AZ0012", "database_name": "AZSTEData1"})
    job_id = (await exported(api))["jobId"]
    await until(api, job_id[:36], "finished")
    exchange = printed("list")
    path = exchange["request"]["path"].format(jobID=job_id)
    answer = await ask_odata(api, exchange["request"]["method"], path)
    assert answer.status == exchange["response"]["status"]
    wanted = exchange["response"]["body"]
    del wanted["@odata.nextLink"]  # there is no more
    (printed_job,), (job,) = wanted["value"], answer.body["value"]
    # Not among those of the page's example, but of its table.
    documents = json.loads(job["response"])
    assert {"DocumentGUID", *json.loads(printed_job["response"])[0]} == documents[0].keys()
    del documents[0]["DocumentGUID"]
    ours = {**answer.body, "value": [{**job, "response": json.dumps(documents), "clientRequestId": None}]}
    assert kind(ours) == kind(wanted)
    assert list(ours["value"][0]) == list(printed_job)
    assert job.keys() == {"@odata.etag", *TABLE}
    for name in ("jobStatus", "percentCompleted", "responseType", "publishLinkAccessScope", "canReRun",
                 "DatabaseName", "accountCode"):  # fmt: skip
        assert job[name] == printed_job[name]
    assert (
        answer.body["@odata.context"] == f"{api._base_url}jobsmanagement/odata/v1.0/$metadata#backgroundjob"
    )
    created, purged = (datetime.fromisoformat(job[name]) for name in ("createdDate", "purgeDateTime"))
    assert purged - created == timedelta(days=30)


async def test_the_printed_rerun_is_answered(api: ClientSession, worker: object) -> None:
    made = await exported(api)
    await until(api, made["jobId"][:36], "finished")
    exchange = printed("rerun")
    path = exchange["request"]["path"].format(jobID=made["jobId"])
    again = await ask_odata(api, exchange["request"]["method"], path)
    wanted = exchange["response"]
    assert again.status == wanted["status"]
    assert list(again.body) == list(wanted["body"])
    assert kind(again.body) == kind(wanted["body"])
    assert again.body == made
    for name in ("jobStatus", "publishLinkAccessScope"):
        assert again.body[name] == wanted["body"][name]
    assert (await until(api, made["jobId"][:36], "finished"))["run"] == 2
    assert (await the_job(api, made["jobId"]))["publishLink"] == made["publishLink"]


async def test_a_job_that_cannot_or_need_not_run_again_is_400(api: ClientSession, submit: Submit) -> None:
    made = await submit()
    waiting = await ask_odata(api, "POST", rerun_path(made["id"]))
    assert (waiting.status, waiting.body["error"]["code"]) == (400, "wrong_state")
    once = await submit(can_rerun=False)
    await ask(api, "POST", f"/api/jobs/{once['id']}/cancel")
    job = await the_job(api, once["id"])
    assert job["canReRun"] == "No"
    refused = await ask_odata(api, "POST", rerun_path(job["jobID"]))
    assert (refused.status, refused.body["error"]["code"]) == (400, "wrong_state")


def test_the_words_table_is_total() -> None:
    assert wire.WORDS.keys() == set(Status)
    assert set(wire.WORDS.values()) == {"Queued", "Inprogress", "Completed", "Failed"}
    assert set(wire.SCOPES.values()) == {"Public", "Private", "PeopleInOrganization"}
