"""The OpenAPI document: it is right, complete, and about this router."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it carries no types
import pytest
from aiohttp import hdrs, web
from openapi_spec_validator import OpenAPIV31SpecValidator

import picky_jobs
import secret_jobs
from service.app import LANGUAGE, create_app
from service.jobs.jobtype import JobTypes, load_job_types
from service.settings import Settings
from service.web.openapi import DOCUMENT
from service.web.problems import PROBLEMS

METHODS = ("get", "post", "put", "patch", "delete")
API_DOC = Path(__file__).parents[2] / "docs" / "api.md"
ENVIRON = {
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "LAVORI_SECRET_KEYS": "a-secret-key-for-the-tests-of-32-bytes",
    "LAVORI_DIALECTS": "none",  # each has a document of its own
}


@cache
def application() -> web.Application:
    return create_app(Settings.from_environ(ENVIRON), JobTypes([]))


def test_the_args_of_every_job_type_are_schemas_of_it() -> None:
    types = JobTypes([*load_job_types().values(), secret_jobs.careless, picky_jobs.picky])
    made = json.loads(create_app(Settings.from_environ(ENVIRON), types)[DOCUMENT].json)
    assert [str(fault) for fault in OpenAPIV31SpecValidator(made).iter_errors()] == []
    schemas = made["components"]["schemas"]
    assert {name.removeprefix("Args.") for name in schemas if name.startswith("Args.")} == set(types)
    careless = {"$ref": "#/components/schemas/Args.careless", "components": made["components"]}
    whole = jsonschema.Draft202012Validator(careless)
    whole.validate({"login": {"host": "a", "password": "12345678"}})
    assert not whole.is_valid({"login": {"password": "1"}})


@cache
def document() -> dict[str, Any]:
    made: dict[str, Any] = json.loads(application()[DOCUMENT].json)
    return made


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document()["paths"].items():
        for method, operation in item.items():
            if method in METHODS:
                yield path, method, operation


def resolved(one: dict[str, Any]) -> dict[str, Any]:
    """What a reference leads to."""
    while "$ref" in one:
        found: Any = document()
        for name in one["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        one = found
    return one


def routed() -> set[tuple[str, str]]:
    """The paths and methods of the router; a GET brings its HEAD along, and is not told apart here."""
    found = set()
    for route in application().router.routes():
        assert route.resource is not None
        if route.method != hdrs.METH_HEAD:
            found.add((route.resource.canonical, route.method.lower()))
    return found


def test_it_is_right_by_the_schema_of_openapi_3_1() -> None:
    assert [str(fault) for fault in OpenAPIV31SpecValidator(document()).iter_errors()] == []
    assert document()["openapi"] == "3.1.0"
    assert document()["jsonSchemaDialect"] == "https://spec.openapis.org/oas/3.1/dialect/base"


def test_it_has_every_route_of_the_router_and_no_other() -> None:
    language = "/{lang}"
    native = {(path, method) for path, method in routed() if not path.startswith(language)}
    assert {(path, method) for path, method, _ in operations()} == native
    below = {(path.removeprefix(language), method) for path, method in routed() if path.startswith(language)}
    assert below == {(path, method) for path, method in native if path.startswith("/api/")}
    assert [server["url"] for server in document()["servers"]] == ["/", language]
    assert LANGUAGE.startswith("/{lang:")


def test_its_path_parameters_are_those_of_the_paths() -> None:
    for path, _, operation in operations():
        told = [resolved(one) for one in operation["parameters"]]
        assert {one["name"] for one in told if one["in"] == "path"} == set(re.findall(r"\{(\w+)\}", path))
        names = [(one["in"], one["name"]) for one in told]
        assert len(names) == len(set(names))


def test_every_operation_is_told_in_full() -> None:
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(ids) == len(set(ids))
    tags = {tag["name"] for tag in document()["tags"]}
    for path, method, operation in operations():
        where = f"{method} {path}"
        assert operation["summary"], where
        assert operation["description"], where
        assert set(operation["tags"]) <= tags, where
        for status, response in operation["responses"].items():
            assert resolved(response)["description"], f"{where} {status}"
            assert "X-Request-Id" in resolved(response)["headers"], f"{where} {status}"
        for one in operation["parameters"]:
            told = resolved(one)
            assert told["in"] == "path" or told.get("description"), f"{where} {told['name']}"
        for one in operation["responses"].values():
            for link in resolved(one).get("links", {}).values():
                assert link["operationId"] in ids


def test_every_member_of_every_schema_is_told_in_words() -> None:
    silent = [
        f"{name}.{member}"
        for name, schema in document()["components"]["schemas"].items()
        for member, told in schema.get("properties", {}).items()
        if "description" not in told and "$ref" not in told and name != "Problem"
    ]
    assert silent == []


def test_all_that_can_go_wrong_is_told_with_an_example_each() -> None:
    codes = set()
    for path, method, operation in operations():
        for status, response in operation["responses"].items():
            if status < "400":
                continue
            content = resolved(response)["content"]["application/problem+json"]
            told = content["schema"]["properties"]
            assert told["status"]["const"] == int(status), f"{method} {path}"
            assert set(content["examples"]) == set(told["code"]["enum"])
            for code, example in content["examples"].items():
                assert (code, PROBLEMS[code].status) == (example["value"]["code"], int(status))
                check(content["schema"], example["value"])
            codes |= set(content["examples"])
        assert {"500", "503"} <= set(operation["responses"])
        is_login = (
            operation["operationId"] == "create_session"
        )  # which needs no login, and may fail to be one
        assert ("401" in operation["responses"]) == (operation.get("security") != [] or is_login)
    # The others end a job, belong to a path that is none, or to a dialect.
    assert set(PROBLEMS) - codes == {
        "method_not_allowed",
        "not_implemented",
        "outbound_refused",
        "outbound_failed",
    }


def check(schema: dict[str, Any], value: Any) -> None:
    whole = {**schema, "components": document()["components"]}
    jsonschema.Draft202012Validator(
        whole, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    ).validate(value)


def test_every_json_body_and_answer_has_an_example_that_is_right() -> None:
    for path, method, operation in operations():
        bodies = [operation["requestBody"]] if "requestBody" in operation else []
        succeeding = [resolved(one) for status, one in operation["responses"].items() if status < "300"]
        for one in bodies + succeeding:
            for kind, content in one.get("content", {}).items():
                if "json" in kind and path != "/api/openapi.json":
                    check(content["schema"], content["example"])
                    assert content["example"], f"{method} {path}"


@pytest.mark.parametrize("name", sorted(document()["components"]["schemas"]))
def test_every_schema_is_a_json_schema_of_2020_12(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(document()["components"]["schemas"][name])


def test_docs_api_names_every_endpoint() -> None:
    text = API_DOC.read_text(encoding="utf-8")
    missing = [
        f"{method.upper()} {path}"
        for path, method, _ in operations()
        if f"`{method.upper()} {path}`" not in text
    ]
    assert missing == []
    named = set(re.findall(r"`((?:GET|POST|PUT|PATCH|DELETE) /[^`?]*)`", text))
    assert named <= {f"{method.upper()} {path}" for path, method, _ in operations()}
