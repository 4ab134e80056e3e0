"""Alteryx: every request and response that the vendor's page prints."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import jsonschema  # type: ignore[import-untyped]  # it carries no types
from aiohttp import ClientSession

from alteryx_asking import ask_alteryx
from asking import Answer, ask, key_for, put_into
from running import Submit, until
from service.dialects.alteryx import wire
from service.jobs.states import Status

HERE = Path(__file__).parent
ADMIN = {"Authorization": "Bearer an-admin-key-for-the-tests"}


def printed(name: str) -> Any:
    """An exchange as the vendor's page prints it."""
    return json.loads((HERE / f"{name}.json").read_text())


def shape(value: Any) -> Any:
    """Names, nesting and types, whatever the values."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    return [shape(value[0])] if isinstance(value, list) else type(value)


async def replayed(api: ClientSession, name: str, job_id: str, headers: dict[str, str] = ADMIN) -> Answer:
    """Send a printed request about this job with this token; the answer has the printed status, and is documented."""
    request = printed(name)["request"]
    head, _, rest = (
        request["path"].removeprefix("/webapi/v3/jobs/").partition("?" if "?" in request["path"] else "/")
    )
    separator = "?" if "?" in request["path"] else "/" if rest else ""
    assert len(head) == 24
    sent = {**{key: value for key, value in request["headers"].items() if key != "authorization"}, **headers}
    path = f"/webapi/v3/jobs/{job_id}{separator}{rest}"
    answer = await ask_alteryx(api, request["method"], path, headers=sent)
    assert answer.status == printed(name)["response"]["status"], answer
    document = (await ask(api, "GET", "/api/openapi/alteryx.json")).body
    item = document["paths"][f"/webapi/v3/jobs/{{id}}{'/messages' if rest == 'messages' else ''}"]
    told = item[request["method"].lower()]["responses"][str(answer.status)]
    if "$ref" in told:
        told = document["components"]["responses"][told["$ref"].rpartition("/")[2]]
    schema = told["content"]["application/json"]["schema"]
    jsonschema.Draft202012Validator({**document, **schema}).validate(answer.body)
    return answer


def test_all_twelve_are_here() -> None:
    assert len(list(HERE.glob("*.json"))) == 12


def test_the_words_table_is_total() -> None:
    assert wire.WORDS.keys() == set(Status) == wire.DISPOSITIONS.keys()
    assert set(wire.WORDS.values()) == {"Queued", "Running", "Completed", "Cancelled"}
    assert wire.statuses(["complete"]) == wire.statuses(["Completed"]) == {Status.FINISHED, Status.FAILED}
    assert wire.statuses(["Queued"]) == {Status.PENDING, Status.SUSPENDED}


async def test_a_job_and_its_messages_are_shown_as_printed(
    api: ClientSession, submit: Submit, pool: asyncpg.Pool, worker: object
) -> None:
    made = await submit("steps", args={"steps": 2}, worker_tag=None)
    await until(api, made["id"], "finished")
    file_id = (await ask(api, "POST", "/api/attachments?name=out.csv", data=b"a,b")).body["id"]
    await pool.execute(
        """INSERT INTO outputs (id, job_id, tenant_id, run, position, file_id, available_formats)
           VALUES (gen_random_uuid(), $1, 1, 1, 0, $2, '{csv,xlsx}')""",
        made["id"],
        file_id,
    )
    await pool.execute("UPDATE jobs SET version = version + 1 WHERE id = $1", made["id"])
    answer = await replayed(api, "read", made["id"])
    assert shape(answer.body) == shape(printed("read")["response"]["body"])
    assert (answer.body["appId"], answer.body["status"], answer.body["disposition"]) == (
        "steps",
        "Completed",
        "Success",
    )
    assert answer.body["outputs"][0]["fileName"] == "out.csv"
    assert answer.body["outputs"][0]["availableFormats"] == ["csv", "xlsx"]
    assert answer.body["runWithE2"] is False
    messages = (await replayed(api, "messages", made["id"])).body
    assert messages == answer.body["messages"]
    assert [shape(one) for one in messages] == [shape(printed("messages")["response"]["body"])] * len(
        messages
    )
    assert len(messages) == 2
    for query in ("", "?includeMessages=", "?includeMessages=true&unknown=1"):
        assert (await ask_alteryx(api, "GET", f"/webapi/v3/jobs/{made['id']}{query}")).body == answer.body
    reduced = (await ask_alteryx(api, "GET", f"/webapi/v3/jobs/{made['id']}?includeMessages=false")).body
    assert reduced == {name: value for name, value in answer.body.items() if name != "messages"}
    assert (await ask_alteryx(api, "GET", f"/webapi/v3/jobs/{made['id']}?includeMessages=odd")).status == 400


async def test_without_a_token_and_without_a_job(api: ClientSession, submit: Submit) -> None:
    job_id, wrong = (await submit())["id"], {"Authorization": "Bearer BearerTokenGoesHere"}
    for call in ("read", "messages", "delete"):
        await replayed(api, f"{call}_unauthorized", job_id, wrong)
        for unknown in (str(uuid4()), "66ebd18d3d6200007e000d8c", "x"):
            await replayed(api, f"{call}_not_found", unknown)
    assert (await ask(api, "GET", f"/api/jobs/{job_id}")).body["version"] == 1
    user = await key_for(api, "ugo", "user")
    await replayed(api, "messages_unauthorized", job_id, user)


async def test_a_queued_job_is_deleted_and_a_running_one_cancelled(
    api: ClientSession, submit: Submit, pool: asyncpg.Pool, worker: object
) -> None:
    running = (await submit("sleep", args={"seconds": 600, "steps": 1}))["id"]
    await until(api, running, "running")
    for status in ("pending", "suspended"):
        queued = (await submit(run_at="2099-01-01T00:00:00Z"))["id"]
        await put_into(pool, queued, status)
        assert (await replayed(api, "delete_queued", queued)).body == printed("delete_queued")["response"][
            "body"
        ]
        assert (await ask(api, "GET", f"/api/jobs/{queued}")).status == 404
        last = (await ask(api, "GET", f"/api/audit?object_id={queued}")).body["audit"][0]
        assert last["action"] == "delete"
    assert (await replayed(api, "delete_running", running)).body == printed("delete_running")["response"][
        "body"
    ]
    await until(api, running, "cancelled")
    answer = (await ask_alteryx(api, "GET", f"/webapi/v3/jobs/{running}")).body
    assert (answer["status"], answer["disposition"]) == ("Cancelled", "None")
    assert (await replayed(api, "delete_ended", running)).body == printed("delete_ended")["response"]["body"]


async def test_who_may_see_a_job_but_not_change_it_is_told_so(api: ClientSession, submit: Submit) -> None:
    job_id = (await submit())["id"]
    refused = await replayed(api, "delete_not_permitted", job_id, await key_for(api, "vera", "viewer"))
    assert refused.body == printed("delete_not_permitted")["response"]["body"]
    await replayed(api, "delete_not_found", job_id, await key_for(api, "ugo", "user"))


async def test_messages_have_alteryxs_numbers(api: ClientSession, submit: Submit, pool: asyncpg.Pool) -> None:
    job_id = (await submit())["id"]
    rows = [("info", "7"), ("warning", None), ("error", "load"), ("output", "12"), ("debug", "²")]
    for seq, (level, tool) in enumerate(rows, 2):
        await pool.execute(
            "INSERT INTO job_messages (job_id, seq, time, level, text, tool_id) VALUES ($1, $2, now(), $3, 'x', $4)",
            job_id,
            seq,
            level,
            tool,
        )
    messages = (await ask_alteryx(api, "GET", f"/webapi/v3/jobs/{job_id}/messages")).body
    assert [(one["status"], one["toolId"]) for one in messages] == [(1, 7), (2, 0), (3, 0), (4, 12), (1, 0)]
