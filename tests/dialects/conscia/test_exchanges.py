"""Conscia: every request and response that the vendor's page prints."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it carries no types
import pytest
from aiohttp import ClientSession

from asking import Answer, ask
from running import until
from service.dialects.conscia import wire
from service.jobs.states import Status

HERE = Path(__file__).parent
ADMIN_KEY = "an-admin-key-for-the-tests"
NAMES = sorted(path.stem for path in HERE.glob("*.json"))
OF_A_JOB = {
    "jobId", "jobType", "jobDefinitionCode", "status", "params", "result", "error", "percentCompleted", "createdAt",
    "startedAt", "completedAt",
}  # fmt: skip


def printed(name: str) -> Any:
    """An exchange as the vendor's page prints it, with its placeholders."""
    return json.loads((HERE / f"{name}.json").read_text())


async def replayed(api: ClientSession, name: str, body: Any = None, **filled: str) -> Answer:
    """Send a printed request; the answer has the printed status, and the names of the printed body."""
    exchange = printed(name)
    filled = {"apiKey": ADMIN_KEY, "customerCode": "default", "jobDefinitionCode": "web-test", **filled}

    def fill(text: str) -> str:
        return re.sub(r"\{\{(\w+)\}\}", lambda found: filled[found[1]], text)

    request = exchange["request"]
    headers = {key: fill(value) for key, value in request["headers"].items()}
    sent = json.dumps(body or request["body"]) if "body" in request else None
    answer = await ask(api, request["method"], fill(request["path"]), headers=headers, data=sent)
    assert answer.status == exchange["response"]["status"], answer
    if wanted := exchange["response"].get("body"):
        assert answer.body.keys() == wanted.keys()
        assert re.fullmatch(r"\d{8}-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", answer.body["jobId"])
    if answer.body is not None:
        document = (await ask(api, "GET", "/api/openapi/conscia.json")).body
        path = request["path"].replace("callWebserviceEndpoint", "{code}").replace("{{jobId}}", "{id}")
        told = document["paths"][re.sub(r"\{\{\w+\}\}", "{code}", path)][request["method"].lower()]
        schema = told["responses"][str(answer.status)]["content"]["application/json"]["schema"]
        jsonschema.Draft202012Validator({**document, **schema}).validate(answer.body)
    return answer


def test_all_ten_are_here() -> None:
    assert len(NAMES) == 10
    assert {printed(name)["request"]["method"] for name in NAMES} == {"GET", "POST", "PATCH", "DELETE"}


async def test_types_are_listed_and_read(api: ClientSession) -> None:
    listed = (await replayed(api, "list_types")).body
    assert listed.keys() == {"jobTypes"}
    (call,) = (one for one in listed["jobTypes"] if one["jobTypeCode"] == "callWebserviceEndpoint")
    assert call == (await replayed(api, "read_type", jobTypeCode="callWebserviceEndpoint")).body
    assert call.keys() == {"jobTypeCode", "name", "description", "params"}
    params = {one["name"]: one for one in call["params"]}
    assert params.keys() == {"url", "method", "headers", "body", "searchParams", "timeout_seconds"}
    assert all(one.keys() == {"name", "type", "required", "description"} for one in call["params"])
    assert {name for name, one in params.items() if one["required"]} == {"url"}
    types = {name: one["type"] for name, one in params.items()}
    assert types == {
        "url": "string", "method": "string", "headers": "object", "body": "any", "searchParams": "object",
        "timeout_seconds": "integer",
    }  # fmt: skip
    assert all(one["description"] for one in call["params"])


async def test_a_type_is_executed_as_printed_and_to_a_server_that_is_there(
    api: ClientSession, service: Any, worker: object
) -> None:
    await replayed(api, "execute_type")
    body = printed("execute_type")["request"]["body"]
    body["params"]["url"] = service.url("/posts")
    made = await replayed(api, "execute_type", body)
    await until(api, made.body["jobId"].partition("-")[2], "finished")
    job = (await replayed(api, "read_job", jobId=made.body["jobId"])).body
    assert job.keys() == OF_A_JOB
    assert job["jobId"] == made.body["jobId"]
    assert (job["status"], job["percentCompleted"], job["error"]) == ("COMPLETED", 100, None)
    assert job["result"] == [{"id": 1, "title": "first"}]
    assert job["params"] == body["params"]
    assert (job["jobType"], job["jobDefinitionCode"]) == ("callWebserviceEndpoint", None)
    assert job["createdAt"] <= job["startedAt"] <= job["completedAt"]
    assert service.calls == [("POST", "/posts?limit=10", b'{"searchTerms":"running shoe"}')]


async def test_a_definition_lives_as_printed(api: ClientSession) -> None:
    asked = printed("create_definition")["request"]["body"]
    assert (await replayed(api, "create_definition")).body == asked
    assert (await replayed(api, "read_definition")).body == asked
    listed = (await replayed(api, "list_definitions")).body
    assert listed == {"jobDefinitions": [asked["jobDefinition"]]}
    made = (await replayed(api, "execute_definition")).body
    job = (await replayed(api, "read_job", jobId=made["jobId"])).body
    assert (job["jobDefinitionCode"], job["params"]) == ("web-test", asked["jobDefinition"]["params"])
    assert (job["status"], job["result"], job["error"]) == ("STARTED", None, None)
    patch = printed("update_definition")["request"]["body"]["jobDefinition"]
    changed = (await replayed(api, "update_definition")).body["jobDefinition"]
    assert changed == {**patch, "options": asked["jobDefinition"]["options"]}
    assert (await replayed(api, "read_definition")).body == {"jobDefinition": changed}
    await replayed(api, "delete_definition")
    gone = await ask(
        api, "GET", "/vue/_api/v1/job-definitions/web-test", headers={"X-Customer-Code": "default"}
    )
    assert gone.status == 404


def test_the_words_table_is_total() -> None:
    assert wire.WORDS.keys() == set(Status)
    words = {str(status): word for status, word in wire.WORDS.items()}
    assert words == {
        "pending": "STARTED",
        "suspended": "STARTED",
        "running": "STARTED",
        "finished": "COMPLETED",
        "failed": "FAILED",
        "cancelled": "FAILED",
    }
    assert wire.meant(["STARTED"]) == ["pending", "suspended", "running"]
    assert wire.meant(["FAILED", "COMPLETED"]) == ["finished", "failed", "cancelled"]


@pytest.mark.parametrize("name", NAMES)
async def test_a_printed_request_without_a_token_is_refused(api: ClientSession, name: str) -> None:
    request = printed(name)["request"]
    path = re.sub(r"\{\{\w+\}\}", "x", request["path"])
    refused = await ask(api, request["method"], path, headers={"Authorization": "Bearer {{apiKey}}"})
    assert (refused.status, refused.body["code"]) == (401, "unauthenticated")
