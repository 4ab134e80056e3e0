"""Data One: every request and response that the vendor's page prints."""

import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it carries no types
import pytest
from aiohttp import ClientSession

from asking import Answer, ask
from running import until
from service.dialects.dataone import wire
from service.jobs.states import Status

from .conftest import JOBS, post

HERE = Path(__file__).parent
NAMES = sorted(path.stem for path in HERE.glob("*.json"))
LABELS = {"key1": "one", "key2": "two"}


def printed(name: str) -> Any:
    """An exchange as the vendor's page prints it."""
    return json.loads((HERE / f"{name}.json").read_text())


def shape(value: Any) -> Any:
    """Names, nesting and types, without the values."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    return [shape(value[0])] if isinstance(value, list) else type(value).__name__


async def replayed(api: ClientSession, name: str, **query: str) -> Answer:
    """Send a printed request; the answer has the printed status and shape."""
    request, response = printed(name)["request"], printed(name)["response"]
    sent = json.dumps(request["body"]) if "body" in request else None
    path, headers = request["path"], request.get("headers", {})
    assert path == JOBS
    sending = post(api, data=sent, headers=headers) if sent else ask(api, "GET", path, params=query)
    answer = await sending
    assert answer.status == response["status"], answer
    assert answer.headers["Content-Type"].partition(";")[0] == "application/json"
    assert shape(answer.body) == shape(response["body"])
    document = (await ask(api, "GET", "/api/openapi/dataone.json")).body
    told = document["paths"][path][request["method"].lower()]["responses"][str(answer.status)]
    schema = told["content"]["application/json"]["schema"]
    jsonschema.Draft202012Validator({**document, **schema}).validate(answer.body)
    return answer


@pytest.fixture
async def contract(api: ClientSession) -> None:
    """The contract of the printed request, with the attributes of the printed response."""
    definition = {"code": "string", "type": "echo", "name": "Printed", "labels": LABELS}
    assert (await ask(api, "POST", "/api/job-definitions", json=definition)).status == 201


def test_all_three_are_here() -> None:
    assert NAMES == ["list", "submit", "submit_known"]


async def test_the_printed_submission_makes_a_job_and_once_more_answers_with_it(
    api: ClientSession, contract: None
) -> None:
    made = (await replayed(api, "submit")).body
    native = (await ask(api, "GET", "/api/jobs?definition=string")).body["jobs"][0]
    assert made == {
        "id": str(native["number"]),
        "status": "SUBMITTED",
        "statusMessage": "Waiting",
        "createdAt": native["created_at"],
        "updatedAt": native["updated_at"],
        "submittedBy": "admin",
        "queue": "default",
        "actor": "",
        "contract": "string",
        "contractType": "definition",
        "contractAction": "string",
        "contractActionTrigger": "on-demand",
        "contractActionWorkflowInstance": {
            "id": native["id"],
            "workflowTemplateId": str(wire.template("echo", None).id),
            "workflowTemplateName": "Echo",
            "workflowTemplateRevision": "1",
            "workflowTemplateDescription": made["contractActionWorkflowInstance"][
                "workflowTemplateDescription"
            ],
        },
        "dfic": {"dfiid": native["id"], "lcid": native["id"], "userAttrs": LABELS},
        "extIPID": "string",
    }
    assert made["contractActionWorkflowInstance"]["workflowTemplateDescription"]
    assert (await replayed(api, "submit_known")).body == made


async def test_the_printed_list_has_its_names_and_its_next(
    api: ClientSession, contract: None, worker: object
) -> None:
    made = (await replayed(api, "submit")).body
    await until(api, made["contractActionWorkflowInstance"]["id"], "finished")
    other = await ask(api, "POST", printed("list")["request"]["path"], json={"contractName": "echo"})
    assert other.status == 201
    first = (await replayed(api, "list", maxItems="1", sort="+id")).body
    (ended,) = first["jobs"]
    assert (ended["id"], ended["status"], ended["statusMessage"]) == (made["id"], "COMPLETED", "Finished")
    assert ended["actor"]
    assert first["next"].startswith("/ghibli-rest/v2/job-manager/jobs?")
    last = (await ask(api, "GET", first["next"])).body
    assert last.keys() == {"jobs"}
    assert (last["jobs"][0]["contract"], last["jobs"][0]["contractType"]) == ("echo", "type")
    assert last["jobs"][0]["dfic"]["userAttrs"] == {}


async def test_without_jobs_the_list_is_empty(api: ClientSession) -> None:
    assert (await ask(api, "GET", printed("list")["request"]["path"])).body == {"jobs": []}


def test_the_words_table_is_total() -> None:
    assert wire.WORDS.keys() == set(Status)
    assert set(wire.STATUSES) == {"SUBMITTED", "SUSPENDED", "RUNNING", "ERROR", "ABORTED", "COMPLETED"}


@pytest.mark.parametrize("name", NAMES)
async def test_a_printed_request_without_a_token_is_refused(api: ClientSession, name: str) -> None:
    request = printed(name)["request"]
    refused = await ask(api, request["method"], request["path"], headers={"Authorization": "Bearer x"})
    assert (refused.status, refused.body["code"]) == (401, "unauthenticated")
