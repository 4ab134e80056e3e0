"""Definitions as Conscia's clients make, change and run them."""

import asyncio
from typing import Any

import pytest
from aiohttp import ClientSession
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asking import ask, pointers
from dialects.conscia.conftest import Customer
from service.jobs.merge import merge_patch

WHOLE = "/job-definitions/web-test"


async def shown(customer: Customer) -> dict[str, Any]:
    read = await customer.ask("GET", WHOLE)
    assert read.status == 200, read
    return dict(read.body["jobDefinition"])


async def patched(customer: Customer, **patch: Any) -> dict[str, Any]:
    changed = await customer.ask("PATCH", WHOLE, json={"jobDefinition": patch})
    assert changed.status == 200, changed
    assert changed.body == {"jobDefinition": await shown(customer)}
    return dict(changed.body["jobDefinition"])


async def test_a_code_that_is_taken_is_a_conflict(customer: Customer) -> None:
    assert (await customer.define(params={"a": 1})).status == 201
    again = await customer.define(params={"a": 2})
    assert (again.status, again.body["code"]) == (409, "conflict")
    assert (await shown(customer))["params"] == {"a": 1}


async def test_the_least_definition_has_all_its_members(customer: Customer) -> None:
    made = await customer.define()
    assert made.body == {
        "jobDefinition": {
            "jobDefinitionCode": "web-test",
            "jobType": "echo",
            "name": "web-test",
            "schedule": None,
            "params": {},
            "options": {},
        }
    }
    same = await patched(customer, **made.body["jobDefinition"])
    assert same == made.body["jobDefinition"]


CRON = "#/jobDefinition/schedule/cron"
FAULTS: list[tuple[Any, list[str]]] = [
    ([], ["#"]),
    ("text", ["#"]),
    ({}, ["#/jobDefinition"]),
    ({"jobDefinition": None}, ["#/jobDefinition"]),
    ({"jobDefinition": [1]}, ["#/jobDefinition"]),
    ({"jobDefinition": {}}, ["#/jobDefinition/jobDefinitionCode", "#/jobDefinition/jobType"]),
    ({"schedule": {"cron": ""}}, [CRON]),
    ({"schedule": {"cron": "* * * *"}}, [CRON]),
    ({"schedule": {"cron": "61 * * * *"}}, [CRON]),
    ({"schedule": {"cron": None}}, [CRON]),
    ({"schedule": {"cron": 5}}, [CRON]),
    ({"schedule": {}}, [CRON]),
    ({"schedule": "* * * * *"}, ["#/jobDefinition/schedule"]),
    ({"jobType": "nothing"}, ["#/jobDefinition/jobType"]),
    ({"jobType": 7}, ["#/jobDefinition/jobType"]),
    ({"jobDefinitionCode": "a b"}, ["#/jobDefinition/jobDefinitionCode"]),
    ({"jobDefinitionCode": ""}, ["#/jobDefinition/jobDefinitionCode"]),
    ({"params": []}, ["#/jobDefinition/params"]),
    ({"name": "x\0"}, ["#/jobDefinition/name"]),
    ({"options": {"sendCompletionEmail": "yes"}}, ["#/jobDefinition/options/sendCompletionEmail"]),
    ({"options": {"emailList": ["a@example.org", "odd"]}}, ["#/jobDefinition/options/emailList/1"]),
    ({"options": {"emailList": ["a@example.org"] * 21}}, ["#/jobDefinition/options/emailList"]),
    ({"options": 1}, ["#/jobDefinition/options"]),
    (
        {"jobType": "callWebserviceEndpoint", "params": {"method": "ODD"}, "schedule": {"cron": "x"}},
        ["#/jobDefinition/params/method", "#/jobDefinition/params/url", CRON],
    ),
]


@pytest.mark.parametrize(("body", "where"), FAULTS)
async def test_what_is_wrong_is_told_in_the_words_that_were_sent(
    customer: Customer, body: Any, where: list[str]
) -> None:
    if isinstance(body, dict) and body and "jobDefinition" not in body:
        body = {"jobDefinition": {"jobDefinitionCode": "web-test", "jobType": "echo", **body}}
    refused = await customer.ask("POST", "/job-definitions", json=body)
    assert pointers(refused) == where
    assert (await customer.ask("GET", "/job-definitions")).body == {"jobDefinitions": []}


@pytest.mark.parametrize("cron", ["", "* * * *", "99 * * * *", "x", " ", "* * * * * * * *", "0 0 12 ? * ?"])
async def test_a_broken_cron_changes_nothing(customer: Customer, cron: str) -> None:
    await customer.define(schedule={"cron": "0 0 12 * * ?"})
    refused = await customer.ask("PATCH", WHOLE, json={"jobDefinition": {"schedule": {"cron": cron}}})
    assert pointers(refused) == [CRON]
    assert (await shown(customer))["schedule"] == {"cron": "0 0 12 * * ?"}


async def test_a_body_that_is_no_json_is_malformed(customer: Customer) -> None:
    for method, path in (
        ("POST", "/job-definitions"),
        ("PATCH", WHOLE),
        ("POST", "/job-types/echo/_execute"),
    ):
        refused = await customer.ask(method, path, data=b"{", skip_auto_headers=["Content-Type"])
        assert (refused.status, refused.body["code"]) == (400, "malformed")


async def test_what_conscia_does_not_know_is_ignored(customer: Customer) -> None:
    made = await customer.ask(
        "POST",
        "/job-definitions?odd=1",
        json={
            "odd": 1,
            "jobDefinition": {
                "jobDefinitionCode": "web-test",
                "jobType": "echo",
                "type": "sleep",
                "odd": {"x": 1},
                "schedule": {"cron": "0 3 * * *", "odd": 1, "timezone": 5},
                "options": {"sendFailureEmail": True, "odd": 1, "email_list": 5},
            },
        },
    )
    assert made.status == 201, made
    assert made.body["jobDefinition"]["schedule"] == {"cron": "0 3 * * *"}
    assert made.body["jobDefinition"]["options"] == {"sendFailureEmail": True}
    assert made.body["jobDefinition"]["jobType"] == "echo"
    assert (await patched(customer, odd=1)) == made.body["jobDefinition"]
    for path in (WHOLE, "/job-definitions", "/job-types", "/job-types/echo"):
        assert (await customer.ask("GET", f"{path}?odd=1&limit=x")).status == 200
    run = await customer.ask("POST", f"{WHOLE}/_execute?odd=1", json={"odd": 1, "type": "sleep"})
    assert run.status == 200
    assert (await customer.ask("DELETE", f"{WHOLE}?odd=1")).status == 204


async def test_a_patch_keeps_what_it_leaves_out_also_what_only_the_native_api_can_set(
    customer: Customer, api: ClientSession
) -> None:
    await customer.define(
        params={"a": {"b": 1, "c": [1, 2]}},
        schedule={"cron": "0 3 * * *"},
        options={"skipNotification": True},
    )
    native = "/api/job-definitions/web-test"
    more = {"schedule": {"timezone": "Europe/Rome"}, "priority": "high", "labels": {"team": "x"}}
    assert (await ask(api, "PATCH", native, json=more)).status == 200
    changed = await patched(
        customer,
        name="My new name",
        params={"a": {"c": [3], "d": None}},
        schedule={"cron": "0 4 * * *"},
        options={"emailList": ["a@example.org"]},
    )
    assert changed == {
        "jobDefinitionCode": "web-test",
        "jobType": "echo",
        "name": "My new name",
        "params": {"a": {"b": 1, "c": [3]}},
        "schedule": {"cron": "0 4 * * *"},
        "options": {"skipNotification": True, "emailList": ["a@example.org"]},
    }
    kept = (await ask(api, "GET", native)).body
    assert (kept["priority"], kept["labels"]) == ("high", {"team": "x"})
    assert kept["schedule"]["timezone"] == "Europe/Rome"
    back = await patched(customer, schedule=None, options=None, params=None, name=None)
    assert (back["schedule"], back["options"], back["params"], back["name"]) == (None, {}, {}, "web-test")


async def test_the_code_is_the_paths(customer: Customer) -> None:
    await customer.define()
    refused = await customer.ask("PATCH", WHOLE, json={"jobDefinition": {"jobDefinitionCode": "another"}})
    assert pointers(refused) == ["#/jobDefinition/jobDefinitionCode"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text("ab\N{EURO SIGN}", max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=8,
)
PARAMS = st.dictionaries(st.sampled_from("abcd"), VALUES, max_size=4)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)
@given(before=PARAMS, patch=PARAMS, override=PARAMS)
async def test_params_are_merged_deeply_by_a_patch_and_by_a_run(
    customer: Customer, before: dict[str, Any], patch: dict[str, Any], override: dict[str, Any]
) -> None:
    await customer.ask("DELETE", WHOLE)
    assert (await customer.define(params=before)).status == 201
    assert (await shown(customer))["params"] == before
    merged = merge_patch(before, patch)
    assert (await patched(customer, params=patch))["params"] == merged
    run = await customer.run(WHOLE, **override)
    assert (await customer.job(run))["params"] == merge_patch(merged, override)
    assert (await shown(customer))["params"] == merged  # a run leaves it alone


async def test_a_run_needs_no_body_and_refuses_params_that_are_none(customer: Customer) -> None:
    await customer.define(params={"a": 1})
    bodies: tuple[dict[str, Any], ...] = ({}, {"json": {}}, {"json": {"params": None}})
    for how in bodies:
        made = await customer.ask("POST", f"{WHOLE}/_execute", **how)
        assert made.status == 200, made
        assert (await customer.job(made.body["jobId"]))["params"] == {"a": 1}
    for body, where in (([], "#"), ("x", "#"), ({"params": [1]}, "#/params"), ({"params": "x"}, "#/params")):
        for path in (WHOLE, "/job-types/echo"):
            assert pointers(await customer.ask("POST", f"{path}/_execute", json=body)) == [where]
    refused = await customer.ask("POST", "/job-types/callWebserviceEndpoint/_execute", json={})
    assert pointers(refused) == ["#/params/url"]


ODD_CODES = ["nothing", "%00", "a%2Fb", "%F0%9F%92%A9", "..%2f..%2fapi", "x" * 3000, "'; DROP TABLE jobs; --"]


@pytest.mark.parametrize("code", ODD_CODES)
async def test_what_is_not_there_is_not_found(customer: Customer, code: str) -> None:
    for method, path in (
        ("GET", f"/job-definitions/{code}"),
        ("PATCH", f"/job-definitions/{code}"),
        ("DELETE", f"/job-definitions/{code}"),
        ("POST", f"/job-definitions/{code}/_execute"),
        ("GET", f"/job-types/{code}"),
        ("POST", f"/job-types/{code}/_execute"),
        ("GET", f"/jobs/{code}"),
    ):
        how: dict[str, Any] = {"json": {"jobDefinition": {}}} if method == "PATCH" else {}
        answer = await customer.ask(method, path, **how)
        assert (answer.status, answer.body["code"]) == (404, "not_found"), (method, path)


async def test_a_schedule_fires_by_itself(customer: Customer, worker: object) -> None:
    await customer.define(schedule={"cron": "* * * * * ?"}, params={"a": 1})
    async with asyncio.timeout(20):
        jobs: list[Any] = []
        while not any(one["status"] == "COMPLETED" for one in jobs):
            await asyncio.sleep(0.1)
            jobs = (await customer.ask("GET", "/jobs?jobDefinitionCode=web-test")).body["jobs"]
    assert jobs[-1]["params"] == {"a": 1}
    assert jobs[-1]["jobDefinitionCode"] == "web-test"


async def test_a_deleted_definition_leaves_its_jobs(customer: Customer) -> None:
    await customer.define(params={"a": 1})
    run = await customer.run(WHOLE)
    assert (await customer.ask("DELETE", WHOLE)).status == 204
    assert (await customer.ask("DELETE", WHOLE)).status == 404
    assert (await customer.job(run))["jobDefinitionCode"] == "web-test"


async def test_the_list_has_all_of_them(
    customer: Customer, api: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.definitions.control._AT_ONCE", 2)
    for number in range(5):
        assert (await customer.define(f"d{number}")).status == 201
    listed = (await customer.ask("GET", "/job-definitions")).body["jobDefinitions"]
    assert [one["jobDefinitionCode"] for one in listed] == [f"d{number}" for number in range(5)]
