"""Who may do what, with and without the code of their tenant."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession

from asking import ask, key_for, other_tenant
from dialects.conscia.conftest import PREFIX, Customer
from service.dialects.conscia.routes import routes

NEW = {"jobDefinition": {"jobDefinitionCode": "another", "jobType": "echo"}}
PATCH = {"jobDefinition": {"name": "changed"}}
CALLS: dict[tuple[str, str], Any] = {
    ("GET", "/job-types"): None,
    ("GET", "/job-types/{code}"): None,
    ("POST", "/job-types/{code}/_execute"): {},
    ("POST", "/job-definitions"): NEW,
    ("GET", "/job-definitions"): None,
    ("GET", "/job-definitions/{code}"): None,
    ("PATCH", "/job-definitions/{code}"): PATCH,
    ("POST", "/job-definitions/{code}/_execute"): {},
    ("GET", "/jobs"): None,
    ("GET", "/jobs/{id}"): None,
    ("DELETE", "/job-definitions/{code}"): None,
}
ALL = [200, 200, 200, 201, 200, 200, 200, 200, 200, 200, 204]
HIDDEN = [200, 200, 200, 201, 200, 404, 404, 404, 200, 404, 404]
READS = [200, 200, 403, 403, 200, 200, 403, 403, 200, 200, 403]
WHO: dict[str, list[int]] = {
    "no token": [401] * 11,
    "other tenant": HIDDEN,
    "other tenant, with this one's code": [403] * 11,
    "other user": HIDDEN,
    "viewer": READS,
    "owner": ALL,
    "friend": [200, 200, 200, 201, 200, 200, 403, 200, 200, 200, 403],
    "curator": ALL,
    "admin": ALL,
    "admin without a code": [400] * 11,
    "admin with an empty code": [400] * 11,
    "admin with a blank code": [400] * 11,
    "admin with another's code": [403] * 11,
    "admin with two codes": [403] * 11,
}


def test_each_route_has_its_row() -> None:
    assert {(route.method, route.path.removeprefix(PREFIX)) for route in routes} == CALLS.keys()
    assert all(len(statuses) == len(CALLS) for statuses in WHO.values())


@pytest.fixture
async def nobody(api: ClientSession) -> AsyncIterator[ClientSession]:
    """A client without a token."""
    async with api.get("/livez") as alive, ClientSession(alive.url.origin()) as session:
        yield session


async def headers_of(api: ClientSession, who: str) -> list[tuple[str, str]]:
    """The token and the code that somebody sends."""
    code, keys = "default", {"other user": "user", "viewer": "viewer", "curator": "curator"}
    token: dict[str, str] = {}
    if who.startswith("other tenant"):
        token = await other_tenant(api)
        code = "default" if "with" in who else "other"
    elif who in keys:
        token = await key_for(api, who, keys[who])
    elif who in ("owner", "friend"):
        token = await key_for(api, f"{who}@example.org", "user")
    codes = {
        "admin without a code": [], "admin with an empty code": [""], "admin with a blank code": [" "],
        "admin with another's code": ["other"], "admin with two codes": ["default", "other"],
    }.get(who, [code])  # fmt: skip
    return [*token.items(), *(("X-Customer-Code", one) for one in codes)]


@pytest.mark.parametrize("who", WHO)
async def test_the_matrix(api: ClientSession, nobody: ClientSession, who: str) -> None:
    owner = Customer(api, await key_for(api, "owner@example.org", "user"))
    assert (await owner.define(params={"a": 1})).status == 201
    job_id = await owner.run("/job-definitions/web-test")
    shared = {"shared_with": ["friend@example.org"]}
    assert (await ask(api, "PATCH", "/api/job-definitions/web-test", json=shared)).status == 200
    headers = await headers_of(api, who)
    statuses = []
    for (method, path), body in CALLS.items():
        code = "echo" if path.startswith("/job-types") else "web-test"
        where = f"{PREFIX}{path.format(code=code, id=job_id)}"
        how = {} if body is None else {"json": body}
        session = nobody if who == "no token" else api
        answer = await ask(session, method, where, headers=headers, **how)
        statuses.append(answer.status)
        if (method, path) == ("GET", "/jobs") and answer.status == 200:
            seen = [one["jobId"] for one in answer.body["jobs"]]
            assert (job_id in seen) == (who not in ("other tenant", "other user"))
        if (method, path) == ("GET", "/job-definitions") and answer.status == 200:
            codes = [one["jobDefinitionCode"] for one in answer.body["jobDefinitions"]]
            assert ("web-test" in codes) == (who not in ("other tenant", "other user"))
    assert statuses == WHO[who]


async def test_what_is_anothers_is_told_like_what_is_not_there(api: ClientSession) -> None:
    owner = Customer(api, await key_for(api, "owner@example.org", "user"))
    await owner.define()
    job_id = await owner.run("/job-definitions/web-test")
    bob = Customer(api, await key_for(api, "bob", "user"))
    there = (await bob.ask("GET", f"/jobs/{job_id}")).body
    nowhere = (await bob.ask("GET", "/jobs/20240302-0199f3c2-7b1e-7cc4-9d3e-5a1b2c3d4e5f")).body
    assert {**there, "instance": ""} == {**nowhere, "instance": ""}
    there = (await bob.ask("GET", "/job-definitions/web-test")).body
    nowhere = (await bob.ask("GET", "/job-definitions/nothing")).body
    assert {**there, "instance": ""} == {**nowhere, "instance": ""}


async def test_each_write_is_in_the_audit(customer: Customer, api: ClientSession) -> None:
    await customer.define()
    await customer.ask("PATCH", "/job-definitions/web-test", json=PATCH)
    await customer.run("/job-definitions/web-test")
    await customer.run("/job-types/echo")
    await customer.ask("DELETE", "/job-definitions/web-test")
    rows = (await ask(api, "GET", "/api/audit")).body["audit"]
    told = sorted(
        (row["object_type"], row["action"]) for row in rows if row["object_type"] in ("job", "definition")
    )
    assert told == [("definition", "create"), ("definition", "delete"), ("definition", "modify"), ("job", "create"),
                    ("job", "create")]  # fmt: skip
