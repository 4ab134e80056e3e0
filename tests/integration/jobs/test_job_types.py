"""GET /api/job-types."""

from typing import Any

import asyncpg
import jsonschema  # type: ignore[import-untyped]  # it carries no types
import pytest
from aiohttp import ClientSession
from marshmallow import Schema, fields

import odd_jobs
import picky_jobs
from asking import ask, key_for
from service.jobs.jobtype import JobType, JobTypes, load_job_types
from service.web.params import json_schema

INSTALLED = load_job_types()

ADD_WORKER = """
INSERT INTO workers (id, tags, types, concurrency, version, draining, beat_at)
VALUES ($1, '{*}', $2, 1, '1', $3, now() - make_interval(secs => $4))
"""


@pytest.fixture
def job_types() -> JobTypes:
    return JobTypes([odd_jobs.steps, picky_jobs.picky, odd_jobs.echo])


async def read(api: ClientSession, code: str) -> dict[str, Any]:
    answer = await ask(api, "GET", f"/api/job-types/{code}")
    assert answer.status == 200, answer
    body: dict[str, Any] = answer.body
    return body


async def test_a_type_tells_all_that_a_form_needs(api: ClientSession) -> None:
    picky = await read(api, "picky")
    params = picky.pop("params")
    assert picky == {
        "code": "picky",
        "name": "picky",
        "description": "Do nothing.",
        "category": "Odd",
        "sub_category": None,
        "attachment": {"required": True, "mime_types": []},
        "available_formats": [],
        "defaults": {"priority": "default", "timeout_seconds": 3600, "max_attempts": 1},
        "can_rerun": False,
        "example": {},
        "workers": 0,
    }
    assert params == {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "picky",
        "description": "Do nothing.",
        "type": "object",
        "properties": {
            "service_id": {"type": "string", "format": "uuid", "title": "Service id"},
            "count": {"type": "integer", "default": 1, "minimum": 1, "maximum": 9, "title": "Count"},
            "columns": {"type": "array", "items": {"$ref": "#/$defs/Column"}, "title": "Columns"},
            "names": {
                "type": "object",
                "propertyNames": {"type": "string", "maxLength": 5},
                "additionalProperties": {"type": "string"},
                "title": "Names",
            },
        },
        "required": ["service_id"],
        "additionalProperties": False,
        "$defs": {
            "Column": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "minLength": 1, "maxLength": 10, "title": "Name"},
                    "kind": {
                        "type": "string",
                        "default": "text",
                        "enum": ["text", "number"],
                        "title": "Kind",
                    },
                },
                "required": ["name"],
                "additionalProperties": False,
            }
        },
    }
    assert (await read(api, "steps"))["attachment"] is None
    assert (await read(api, "echo"))["params"]["additionalProperties"] is True


async def test_the_list_has_all_of_them_by_code_in_pages(api: ClientSession) -> None:
    whole = await ask(api, "GET", "/api/job-types")
    assert [one["code"] for one in whole.body["job_types"]] == ["echo", "picky", "steps"]
    assert whole.body["job_types"][1] == await read(api, "picky")
    first = await ask(api, "GET", "/it/api/job-types?limit=2")
    assert [one["code"] for one in first.body["job_types"]] == ["echo", "picky"]
    assert first.headers["Link"] == f'<{first.body["next"]}>; rel="next"'
    last = await ask(api, "GET", first.body["next"])
    assert [one["code"] for one in last.body["job_types"]] == ["steps"]
    assert "next" not in last.body
    counted = await ask(api, "GET", "/api/job-types?limit=1&count=true")
    assert (len(counted.body["job_types"]), counted.body["count"]) == (1, 3)
    for query in ("limit=0", "limit=x", "cursor=%FF", "cursor=", "count=x", "q=1"):
        assert (await ask(api, "GET", f"/api/job-types?{query}")).status == 400


async def test_workers_are_those_that_live_take_the_type_and_do_not_drain(
    api: ClientSession, pool: asyncpg.Pool
) -> None:
    for name, types, draining, silent in (
        ("one", ["echo", "steps"], False, 0),
        ("two", ["echo"], False, 5),
        ("elsewhere", ["other"], False, 0),
        ("draining", ["echo", "steps"], True, 0),
        ("dead", ["echo", "steps"], False, 60),
    ):
        await pool.execute(ADD_WORKER, name, types, draining, silent)
    listed = (await ask(api, "GET", "/api/job-types")).body["job_types"]
    assert {one["code"]: one["workers"] for one in listed} == {"echo": 2, "picky": 0, "steps": 1}


async def test_an_etag_spares_the_body_until_something_changes(
    api: ClientSession, pool: asyncpg.Pool
) -> None:
    etag = (await ask(api, "GET", "/api/job-types/echo")).headers["ETag"]
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = await ask(api, "GET", "/api/job-types/echo", headers={"If-None-Match": known})
        assert (again.status, again.text, again.headers["ETag"]) == (304, "", etag)
    other = await ask(api, "GET", "/api/job-types/steps", headers={"If-None-Match": etag})
    assert other.status == 200
    await pool.execute(ADD_WORKER, *("one", ["echo"], False, 0))
    changed = await ask(api, "GET", "/api/job-types/echo", headers={"If-None-Match": etag})
    assert (changed.status, changed.body["workers"]) == (200, 1)


async def test_whoever_logs_in_may_read_them(api: ClientSession) -> None:
    nobody = {"Authorization": "Bearer lv_nobody-has-this-token"}
    for role in ("viewer", "user", "curator"):
        headers = await key_for(api, f"one {role}", role)
        for path in ("/api/job-types", "/api/job-types/echo"):
            assert (await ask(api, "GET", path, headers=headers)).status == 200
            assert (await ask(api, "GET", path, headers=nobody)).status == 401


@pytest.mark.parametrize("code", ["nothing", "ECHO", "echo%2F", "echo%00", "x" * 5_000])
async def test_a_type_that_is_not_there_is_not_found(api: ClientSession, code: str) -> None:
    assert (await ask(api, "GET", f"/api/job-types/{code}")).status == 404


@pytest.mark.parametrize("one", INSTALLED.values(), ids=list(INSTALLED))
def test_every_type_that_ships_has_params_in_words_and_an_example_that_fits(one: JobType) -> None:
    schema = json_schema(one.params, title=one.name, description=one.description)
    jsonschema.Draft202012Validator.check_schema(schema)
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    jsonschema.Draft202012Validator(schema, format_checker=checker).validate(dict(one.example))
    one.params.load(dict(one.example))
    assert one.description
    assert one.category
    assert one.example
    silent = [name for name, told in schema["properties"].items() if "description" not in told]
    assert silent == []


class Leaf(Schema):
    """Seen from below."""

    url = fields.Url(metadata={"example": "https://example.org", "title": "Where"})


class Tree(Schema):
    """One that holds others of its kind."""

    example = fields.Dict(load_default=None, allow_none=True)
    leaf = fields.Nested(Leaf, required=True, metadata={"description": "A leaf."})
    leaves = fields.List(fields.Nested(Leaf))
    children = fields.List(fields.Nested(lambda: Tree()))  # noqa: PLW0108 - there is no Tree yet


def test_a_schema_that_holds_itself_stands_alone_too() -> None:
    schema = json_schema(Tree(), title="Tree", description="A tree.")
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["properties"]["children"]["items"] == {"$ref": "#"}
    assert schema["properties"]["example"]["default"] is None
    assert schema["$defs"]["Leaf"]["properties"]["url"] == {
        "type": "string", "format": "uri", "title": "Where", "examples": ["https://example.org"]
    }  # fmt: skip
    right = {"leaf": {"url": "https://a"}, "children": [{"leaf": {}, "children": []}], "example": {"a": 1}}
    whole = jsonschema.Draft202012Validator(schema)
    whole.validate(right)
    Tree().load({**right, "leaf": {"url": "https://example.org"}})
    wrongs: tuple[dict[str, Any], ...] = ({}, {"leaf": {"odd": 1}}, {"leaf": {}, "children": [{}]})
    assert not any(whole.is_valid(wrong) for wrong in wrongs)
