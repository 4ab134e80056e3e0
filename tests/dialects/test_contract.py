"""What a dialect has from its contract: paths, a form of errors, a document, a switch."""

import json
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from openapi_spec_validator import OpenAPIV31SpecValidator

from asking import ask
from service import app as whole
from service.dialects.contract import Dialect, switched_on
from service.errors import LavoriError
from service.jobs.jobtype import JobTypes
from service.settings import Settings, SettingsError
from service.web.about import ABOUT
from service.web.openapi import Document

ADMIN_KEY = "an-admin-key-for-the-tests"
NAMES = [dialect.name for dialect in whole.DIALECTS]


async def hello(request: web.Request) -> web.Response:
    """GET /sixth/hello: hello."""
    return web.json_response({"hello": "there"})


def refusal(error: LavoriError) -> tuple[int, Any]:
    """Errors in the words of a sixth vendor."""
    return error.status, {"oops": error.code}


SIXTH = Dialect(
    "sixth",
    Document([], {}, {}, is_open=lambda _: False, about=ABOUT),
    routes=(web.get("/sixth/hello", hello),),
    prefixes=("/sixth",),
    refusal=refusal,
)


async def test_a_sixth_dialect_is_mounted_by_one_line(
    settings: Settings, job_types: JobTypes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whole, "DIALECTS", (*whole.DIALECTS, SIXTH))
    async with (
        TestServer(whole.create_app(settings, job_types)) as server,
        ClientSession(server.make_url("/")) as nobody,
        ClientSession(server.make_url("/"), headers={"Authorization": f"Bearer {ADMIN_KEY}"}) as api,
    ):
        assert (await ask(api, "GET", "/sixth/hello")).body == {"hello": "there"}
        assert (await ask(api, "GET", "/api/openapi/sixth.json")).status == 200
        async with nobody.get("/sixth/hello") as refused:
            assert (refused.status, await refused.json()) == (401, {"oops": "unauthenticated"})
            assert refused.headers["WWW-Authenticate"] == "Bearer"
            assert refused.content_type == "application/json"
        async with api.get("/sixth/nothing") as unknown:
            assert (unknown.status, await unknown.json()) == (404, {"oops": "not_found"})
        assert (await ask(api, "GET", "/sixthly")).body["code"] == "not_found"


@pytest.mark.parametrize("name", NAMES)
async def test_the_document_of_a_dialect_is_a_right_one(api: ClientSession, name: str) -> None:
    found = await ask(api, "GET", f"/api/openapi/{name}.json")
    assert [str(fault) for fault in OpenAPIV31SpecValidator(found.body).iter_errors()] == []
    (dialect,) = (one for one in whole.DIALECTS if one.name == name)
    told = {(path, method.upper()) for path, item in found.body["paths"].items() for method in item}
    mounted = {(route.path, route.method) for route in dialect.routes}
    standing_in = {(handler.__doc__ or "").partition(":")[0] for handler in dialect.in_place_of.values()}
    assert told == mounted | {(path, method) for method, path in map(str.split, standing_in)}
    assert (await ask(api, "GET", "/api/openapi/nothing.json")).status == 404


@pytest.mark.parametrize("name", NAMES)
async def test_a_dialect_can_be_switched_off(settings: Settings, job_types: JobTypes, name: str) -> None:
    others = tuple(one for one in NAMES if one != name) or ("none",)
    off = whole.create_app(replace(settings, dialects=others), job_types)
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    async with TestServer(off) as server, ClientSession(server.make_url("/"), headers=headers) as api:
        assert (await ask(api, "GET", f"/api/openapi/{name}.json")).status == 404
        (dialect,) = (one for one in whole.DIALECTS if one.name == name)
        for route in dialect.routes:
            assert (await ask(api, route.method, route.path)).body["code"] == "not_found"
        if name == "opencity":
            made = await ask(
                api, "POST", "/api/jobs", json={"type": "echo"}, headers={"X-Accept-Version": "1"}
            )
            assert "number" in made.body
            assert (await ask(api, "GET", "/api/jobs?version=1")).status == 400


def test_unknown_names_in_the_setting_are_told_all_at_once() -> None:
    with pytest.raises(SettingsError) as told:
        switched_on(whole.DIALECTS, ("opencity", "odd", "none"))
    assert len(told.value.faults) == 2
    assert "odd" in json.dumps(told.value.faults)
    assert switched_on(whole.DIALECTS, ("*",)) == whole.DIALECTS
    assert switched_on(whole.DIALECTS, ("none",)) == ()
    assert [one.name for one in switched_on(whole.DIALECTS, ("opencity", "opencity"))] == ["opencity"]
