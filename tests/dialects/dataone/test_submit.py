"""Data One: submitting jobs, once for each extIPID."""

import asyncio
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest
from aiohttp import ClientSession, TCPConnector

from asking import ask, key_for, other_tenant, pointers

from .conftest import JOBS, Client

ClientOf = Callable[[dict[str, str]], Client]
SECONDS = {"seconds": 1}


@pytest.mark.parametrize("contract", ["echo", "defined"])
async def test_a_thousand_at_once_make_one_job(api: ClientSession, pool: asyncpg.Pool, contract: str) -> None:
    definition = {"code": "defined", "type": "echo", "name": "Defined"}
    assert (await ask(api, "POST", "/api/job-definitions", json=definition)).status == 201
    headers = {"Authorization": api.headers["Authorization"]}
    async with ClientSession(api._base_url, headers=headers, connector=TCPConnector(limit=0)) as crowd:
        client = Client(crowd)

        async def one(number: int) -> tuple[int, str]:
            made = await client.post(contractName=contract, actionVariables={"n": number}, extIPID="once")
            return made.status, made.body["id"]

        answers = await asyncio.gather(*(one(number) for number in range(1_000)))
    statuses = [status for status, _ in answers]
    assert (statuses.count(201), statuses.count(409)) == (1, 999)
    assert len({job_id for _, job_id in answers}) == 1
    assert await pool.fetchval("SELECT count(*) FROM jobs") == 1
    assert await pool.fetchval("SELECT count(*) FROM idempotency_keys") == 1
    assert await pool.fetchval("SELECT count(*) FROM audit WHERE object_type = 'job'") == 1


async def test_what_is_hashed_is_user_contract_action_and_ext_ipid(
    client: Client, client_of: ClientOf, api: ClientSession
) -> None:
    bob = client_of(await key_for(api, "bob", "user", grants=("workflow",)))
    stranger = client_of(await other_tenant(api))
    made = [
        await client.submit(extIPID="k"),
        await client.submit(extIPID="k", actionName="other"),
        await client.submit(extIPID="k2"),
        await client.submit("sleep", extIPID="k"),
        await bob.submit(extIPID="k"),
        await stranger.submit(extIPID="k"),
    ]
    assert len({one["contractActionWorkflowInstance"]["id"] for one in made}) == len(made)
    for who, body in (
        (client, {"contractName": "echo", "actionName": "run"}),
        (client, {"contractName": "echo", "actionName": ""}),
        (client, {"contractName": "echo", "actionName": None, "actionVariables": None, "odd": 1}),
        (client, {"contractName": "echo", "actionVariables": {"other": 1}}),
    ):
        again = await who.post(body | {"extIPID": "k"})
        assert (again.status, again.body) == (409, made[0])
    assert (await bob.post(contractName="echo", extIPID="k")).body == made[4]


async def test_a_known_key_answers_whatever_has_become_of_the_contract(
    client: Client, api: ClientSession
) -> None:
    definition = {"code": "nightly", "type": "sleep", "name": "Nightly", "args": SECONDS}
    assert (await ask(api, "POST", "/api/job-definitions", json=definition)).status == 201
    made = await client.submit("nightly", extIPID="k")
    assert (await client.post(contractName="nightly", extIPID="k", actionVariables={"odd": 1})).status == 409
    assert (await ask(api, "DELETE", "/api/job-definitions/nightly")).status == 204
    again = await client.post(contractName="nightly", extIPID="k")
    assert (again.status, again.body) == (409, made)
    assert (await client.post(contractName="nightly", extIPID="k2")).status == 404


async def test_a_key_is_free_again_when_its_job_is_deleted(client: Client, api: ClientSession) -> None:
    made = await client.submit(extIPID="k")
    native = made["contractActionWorkflowInstance"]["id"]
    assert (await ask(api, "DELETE", f"/api/jobs/{native}")).status == 204
    assert (await client.submit(extIPID="k"))["id"] != made["id"]


async def test_without_ext_ipid_each_is_a_job_of_its_own(client: Client) -> None:
    made = [await client.submit(**named) for named in ({}, {"extIPID": ""}, {"extIPID": None}, {})]
    assert len({one["id"] for one in made}) == 4
    assert {one["extIPID"] for one in made} == {""}


async def test_native_keys_and_ext_ipids_are_shown_to_each_other_and_never_collide(
    client: Client, api: ClientSession
) -> None:
    ours = await client.submit(extIPID="k", actionVariables={"a": 1})
    native = await ask(
        api, "POST", "/api/jobs", json={"type": "echo", "args": {"a": 1}, "idempotency_key": "k"}
    )
    assert native.status == 201, native
    assert {one["id"] for one in await client.jobs(extIPID="k")} == {ours["id"], str(native.body["number"])}
    listed = (await ask(api, "GET", "/api/jobs?idempotency_key=k")).body["jobs"]
    assert {str(one["number"]) for one in listed} == {ours["id"], str(native.body["number"])}


async def test_the_longest_ext_ipid_is_64_characters(client: Client) -> None:
    assert (await client.submit(extIPID="è" * 64))["extIPID"] == "è" * 64
    refused = await client.post(contractName="echo", extIPID="k" * 65)
    assert (refused.status, refused.body["code"]) == (400, "malformed")


async def test_a_definition_goes_before_a_type_and_variables_go_over_its_args(
    client: Client, api: ClientSession
) -> None:
    definition = {"code": "echo", "type": "echo", "name": "Echo", "args": {"a": 1, "b": {"c": 1, "d": 2}}}
    assert (await ask(api, "POST", "/api/job-definitions", json=definition)).status == 201
    made = await client.submit(actionVariables={"b": {"c": 3}}, actionName="export")
    assert (made["contract"], made["contractType"], made["contractAction"]) == (
        "echo",
        "definition",
        "export",
    )
    native = await ask(api, "GET", f"/api/jobs/{made['contractActionWorkflowInstance']['id']}")
    assert native.body["args"] == {"a": 1, "b": {"c": 3, "d": 2}}
    assert native.body["definition"] == "echo"


async def test_a_rerun_as_new_is_of_the_same_chain_and_keeps_the_action(
    client: Client, api: ClientSession, worker: object
) -> None:
    made = await client.submit(actionName="export", extIPID="k")
    root = made["contractActionWorkflowInstance"]["id"]
    assert (await ask(api, "GET", f"/api/jobs/{root}?wait=20")).body["status"] == "finished"
    last = root
    for _ in range(2):
        again = await ask(api, "POST", f"/api/jobs/{last}/rerun", json={"as_new": True})
        assert again.status == 201, again
        last = again.body["id"]
        assert (await ask(api, "GET", f"/api/jobs/{last}?wait=20")).body["status"] == "finished"
    chain = await client.jobs(dfiid=root, sort="+id")
    assert [one["dfic"]["dfiid"] for one in chain] == [root] * 3
    assert [one["dfic"]["lcid"] for one in chain] == [
        one["contractActionWorkflowInstance"]["id"] for one in chain
    ]
    assert [one["contractAction"] for one in chain] == ["export"] * 3
    assert [one["extIPID"] for one in chain] == ["k", "", ""]
    assert await client.jobs(dfiid=last) == []


INVALID: list[tuple[Any, list[str]]] = [
    ([], ["#"]),
    ("text", ["#"]),
    ({}, ["#/contractName"]),
    ({"contractName": None}, ["#/contractName"]),
    ({"contractName": 7, "actionName": [], "actionVariables": [], "extIPID": 5},
     ["#/actionName", "#/actionVariables", "#/contractName", "#/extIPID"]),
    ({"contractName": "echo", "actionName": "x" * 201}, ["#/actionName"]),
    ({"contractName": "echo", "actionName": "a\0b"}, ["#/actionName"]),
    ({"contractName": "echo", "extIPID": "a\0b"}, ["#/extIPID"]),
    ({"contractName": "echo", "actionVariables": {"a": "\0"}}, ["#/actionVariables/a"]),
    ({"contractName": "sleep", "actionVariables": {"seconds": "x", "odd": 1}},
     ["#/actionVariables/odd", "#/actionVariables/seconds"]),
    ({"contractName": "import_dovuti", "actionVariables": {"service_id": "x"}},
     ["#/actionVariables/service_id", "#/attachment"]),
]  # fmt: skip


@pytest.mark.parametrize(("body", "wanted"), INVALID)
async def test_what_is_wrong_is_pointed_at_in_the_body_that_was_sent(
    api: ClientSession, body: Any, wanted: list[str]
) -> None:
    refused = await ask(api, "POST", JOBS, json=body)
    assert pointers(refused) == wanted
    assert (await ask(api, "GET", JOBS)).body["jobs"] == []


@pytest.mark.parametrize("name", ["nothing", "", "Echo", "e" * 10_000, "ècho", "echo'; --", "../echo"])
async def test_an_unknown_contract_is_not_found(client: Client, name: str) -> None:
    refused = await client.post(contractName=name, extIPID="k")
    assert (refused.status, refused.body["code"]) == (404, "not_found")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100 + b"]" * 100])
async def test_what_is_no_json_is_malformed(api: ClientSession, body: bytes) -> None:
    refused = await ask(api, "POST", JOBS, data=body, headers={"Content-Type": "application/json"})
    assert (refused.status, refused.body["code"]) == (400, "malformed")


async def test_who_may_submit(client_of: ClientOf, api: ClientSession) -> None:
    may = {
        "viewer": ("viewer", (), 403),
        "user": ("user", (), 403),
        "curator": ("curator", (), 403),
        "granted user": ("user", ("workflow",), 201),
        "granted viewer": ("viewer", ("workflow",), 201),
        "granted curator": ("curator", ("workflow",), 201),
        "admin": ("admin", (), 201),
    }
    for who, (role, grants, status) in may.items():
        asking = client_of(await key_for(api, who, role, grants=grants))
        answer = await asking.post(contractName="echo", extIPID="k")
        assert answer.status == status, who
        if status == 403:
            assert answer.body["code"] == "forbidden"
            assert (await asking.post(["nonsense"])).status == 403
        else:
            assert answer.body["submittedBy"] == who
            assert (await asking.post(contractName="echo", extIPID="k")).status == 409
    only = client_of(await key_for(api, "only", grants=("workflow",)))
    assert (await only.post(contractName="echo")).status == 201
    assert (await ask(api, "POST", JOBS, headers={"Authorization": "Bearer x"})).status == 401


async def test_a_definition_of_others_is_no_contract_until_it_is_shared(
    client_of: ClientOf, api: ClientSession
) -> None:
    definition = {"code": "hers", "type": "echo", "name": "Hers"}
    assert (await ask(api, "POST", "/api/job-definitions", json=definition)).status == 201
    bob = client_of(await key_for(api, "bob", "user", grants=("workflow",)))
    assert (await bob.post(contractName="hers")).status == 404
    stranger = client_of(await other_tenant(api))
    assert (await stranger.post(contractName="hers")).status == 404
    shared = await ask(api, "PATCH", "/api/job-definitions/hers", json={"shared_with": ["bob"]})
    assert shared.status == 200
    assert (await bob.post(contractName="hers")).status == 201
