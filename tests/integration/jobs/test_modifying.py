"""PATCH of a job: which field in which state, merged how, and what takes effect."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from aiohttp import ClientSession

import odd_jobs
import picky_jobs
from asking import ask, pointers, put_into
from running import Submit, until
from service.jobs.jobtype import JobTypes

ALWAYS = {
    "description": "new", "labels": {"a": "b"}, "category": "new", "sub_category": "new",
    "publish_link_access_scope": "public", "purge_at": "2126-01-01T00:00:00.000Z",
}  # fmt: skip
WAITING = {
    "args": {"x": 1}, "attachment": {"file": "YQ=="}, "priority": "low", "worker_tag": "gpu", "max_attempts": 7,
    "run_at": "2126-01-01T00:00:00.000Z", "expires_in": 60, "timeout_seconds": 5, "can_rerun": False,
    "client_request_id": "new", "correlation_id": "new", "notify": {"emails": ["a@example.org"]},
}  # fmt: skip
FIXED = {"type": "picky", "definition": "d", "idempotency_key": "k"}
NEVER = {
    "id": "x",
    "status": "finished",
    "version": 9,
    "created_by": "x",
    "number": 1,
    "output": "x",
    "colour": "red",
}
SHOWN = {"attachment", "notify", "expires_in"}
SERVICE = "5f0c3c1e-6f0b-4a0e-9f39-1d1b7a6a2a11"


@pytest.fixture
def job_types() -> JobTypes:
    """One that takes anything, and one that does not."""
    return JobTypes([odd_jobs.echo, picky_jobs.picky])


async def test_every_field_in_every_state(api: ClientSession, submit: Submit, pool: asyncpg.Pool) -> None:
    for status in ("pending", "suspended", "running", "finished", "failed", "cancelled"):
        waiting = status in ("pending", "suspended")
        path = f"/api/jobs/{(await submit())['id']}"
        await put_into(pool, path[-36:], status)
        for name, value in {**ALWAYS, **WAITING, **FIXED, **NEVER}.items():
            before = (await ask(api, "GET", path)).body
            answer = await ask(api, "PATCH", path, json={name: value})
            if name in ALWAYS or (name in WAITING and waiting):
                assert answer.status == 200, (status, name, answer)
                assert name in SHOWN or answer.body[name] == value
                assert answer.headers["ETag"] == f'"{before["version"] + 1}"'
            elif name in NEVER:
                assert pointers(answer) == [f"#/{name}"]
            else:
                assert (answer.status, answer.body["code"]) == (409, "wrong_state"), (status, name)
                assert name in answer.body["detail"]
                assert status in answer.body["detail"]
                assert (await ask(api, "GET", path)).body == before


async def test_all_fields_that_may_not_change_are_named(
    api: ClientSession, submit: Submit, pool: asyncpg.Pool
) -> None:
    path = f"/api/jobs/{(await submit())['id']}"
    await put_into(pool, path[-36:], "finished")
    answer = await ask(
        api, "PATCH", path, json={"type": "echo", "args": {}, "run_at": None, "description": "x"}
    )
    assert answer.status == 409
    for name in ("type", "args", "run_at"):
        assert name in answer.body["detail"]
    assert "description" not in answer.body["detail"]


async def test_every_fault_of_a_patch_is_told_at_once(api: ClientSession) -> None:
    made = await ask(
        api, "POST", "/api/jobs",
        json={"type": "picky", "args": {"service_id": SERVICE}, "attachment": {"file": ""}},
    )  # fmt: skip
    path = f"/api/jobs/{made.body['id']}"
    patch = {
        "colour": 1,
        "priority": "x",
        "labels": {"a": 5},
        "args": {"count": 0, "service_id": None, "more": 1},
    }
    assert pointers(await ask(api, "PATCH", path, json=patch)) == [
        "#/args/count", "#/args/more", "#/args/service_id", "#/colour", "#/labels/a", "#/priority",
    ]  # fmt: skip
    assert pointers(await ask(api, "PATCH", path, json={"args": {"count": 0}})) == ["#/args/count"]
    assert pointers(await ask(api, "PATCH", path, json={"attachment": None})) == ["#/attachment"]
    assert pointers(await ask(api, "PATCH", path, json={"attachment": {"file": "?"}})) == [
        "#/attachment/file"
    ]
    strange: tuple[Any, ...] = ([], "x", 5, True)
    for no_object in strange:
        assert pointers(await ask(api, "PATCH", path, json=no_object)) == ["#"]
    assert (await ask(api, "GET", path)).headers["ETag"] == '"1"'


async def test_objects_are_merged_and_null_removes(
    api: ClientSession, submit: Submit, pool: asyncpg.Pool
) -> None:
    made = await submit(
        args={"a": {"b": 1, "c": [1, 2]}, "d": 2}, labels={"x": "1", "y": "2"},
        notify={"emails": ["a@example.org"], "on": ["failed"], "webhook_url": "https://example.org/x"},
        description="d", category="c", priority="high", run_at="2126-01-01T00:00:00Z", expires_in=9,
        publish_link_access_scope="public",
    )  # fmt: skip
    path = f"/api/jobs/{made['id']}"
    patch: dict[str, Any] = {
        "args": {"a": {"b": None, "c": [3]}, "e": {"f": None}}, "labels": {"x": None, "z": "3"},
        "notify": {"webhook_url": None}, "description": None, "category": None, "priority": None, "run_at": None,
        "expires_in": None, "publish_link_access_scope": None,
    }  # fmt: skip
    headers = {"Content-Type": "application/merge-patch+json"}
    job = (await ask(api, "PATCH", path, json=patch, headers=headers)).body
    assert job["args"] == {"a": {"c": [3]}, "d": 2, "e": {}}
    assert job["labels"] == {"y": "2", "z": "3"}
    assert (job["description"], job["category"], job["priority"]) == (None, None, "default")
    assert (job["run_at"], job["expires_at"], job["publish_link_access_scope"]) == (None, None, "private")
    notify = await pool.fetchval("SELECT notify::jsonb::text FROM job_requests WHERE job_id = $1", made["id"])
    assert notify == '{"on": ["failed"], "emails": ["a@example.org"], "language": null, "webhook_url": null}'
    assert (await ask(api, "PATCH", path, json={"args": None, "labels": None})).body["labels"] == {}
    assert (await ask(api, "PATCH", path, json={})).headers["ETag"] == f'"{job["version"] + 1}"'


async def test_an_attachment_is_renamed_exchanged_and_removed(api: ClientSession, submit: Submit) -> None:
    path = f"/api/jobs/{(await submit(attachment={'file': 'YQ==', 'name': 'a.csv'}))['id']}"
    first = (await ask(api, "GET", path)).body["attachment"]
    renamed = (await ask(api, "PATCH", path, json={"attachment": {"name": "b.txt"}})).body["attachment"]
    assert renamed == {**first, "name": "b.txt"}
    file = base64.b64encode(b"other").decode()
    other = (await ask(api, "PATCH", path, json={"attachment": {"file": file}})).body["attachment"]
    assert other["size"] == 5
    assert (await ask(api, "PATCH", path, json={"attachment": None})).body["attachment"] is None
    assert pointers(await ask(api, "PATCH", path, json={"attachment": {"name": "c"}})) == ["#/attachment"]


async def test_a_modifier_is_named(api: ClientSession, submit: Submit) -> None:
    path = f"/api/jobs/{(await submit())['id']}"
    made = await ask(api, "POST", "/api/keys", json={"name": "k", "principal": "carla", "roles": ["curator"]})
    carla = {"Authorization": f"Bearer {made.body['secret']}"}
    job = (await ask(api, "PATCH", path, json={"description": "x"}, headers=carla)).body
    assert (job["created_by"], job["modified_by"]) == ("admin", "carla")
    assert (await ask(api, "POST", f"{path}/suspend")).body["modified_by"] == "admin"
    assert (await ask(api, "POST", f"{path}/cancel", headers=carla)).body["modified_by"] == "carla"


async def test_if_match_guards_every_write(api: ClientSession, submit: Submit, pool: asyncpg.Pool) -> None:
    writes: tuple[tuple[str, str, dict[str, Any], str], ...] = (
        ("PATCH", "", {"json": {"description": "x"}}, "pending"),
        ("PUT", "", {"json": {"type": "echo"}}, "pending"),
        ("POST", "/cancel", {}, "pending"),
        ("POST", "/suspend", {}, "pending"),
        ("POST", "/resume", {}, "suspended"),
        ("POST", "/rerun", {}, "failed"),
        ("POST", "/rerun", {"json": {"as_new": True}}, "failed"),
        ("DELETE", "", {}, "pending"),
    )
    for method, end, how, status in writes:
        path = f"/api/jobs/{(await submit())['id']}"
        await put_into(pool, path[-36:], status)
        for wrong in ('"1"', 'W/"2"', '"1", "3"', "2", '"x"', '""', "", '"99999999999999999999"'):
            answer = await ask(api, method, path + end, headers={"If-Match": wrong}, **how)
            assert (answer.status, answer.body["code"]) == (412, "precondition_failed"), (end, wrong)
        right = {"PATCH": "*", "PUT": '"2"'}.get(method, '"1", "2"')
        assert (await ask(api, method, path + end, headers={"If-Match": right}, **how)).status < 300


async def test_an_earlier_time_and_another_tag_take_effect_at_once(
    api: ClientSession, submit: Submit, worker: Any
) -> None:
    later = (datetime.now(UTC) + timedelta(minutes=30)).isoformat()
    for waiting, patch in (
        ({"run_at": later}, {"run_at": None}),
        ({"run_at": later}, {"run_at": "2020-01-01T00:00:00Z"}),
        ({"run_at": later}, {"run_at": (datetime.now(UTC) + timedelta(seconds=1)).isoformat()}),
        ({"run_at": later, "priority": "low"}, {"run_at": None, "priority": "critical"}),
    ):
        made = await submit(**waiting)
        assert (await ask(api, "PATCH", f"/api/jobs/{made['id']}", json=patch)).status == 200
        await until(api, made["id"], "finished", seconds=3)


async def test_a_later_time_takes_effect(api: ClientSession, submit: Submit, worker: Any) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=0.7)
    made = await submit(run_at=soon.isoformat())
    after = soon + timedelta(seconds=1)
    patched = await ask(api, "PATCH", f"/api/jobs/{made['id']}", json={"run_at": after.isoformat()})
    assert patched.body["status"] == "pending"
    ended = await until(api, made["id"], "finished")
    assert datetime.fromisoformat(ended["started_at"]) >= after - timedelta(milliseconds=1)
