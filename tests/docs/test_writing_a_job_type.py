"""The job type of docs/writing-a-job-type.md, run as it stands."""

import ast
import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, FormData
from aiohttp.test_utils import TestServer

from asking import ask
from configured import ADMIN_KEY, settings_on
from running import running_worker, until
from service.app import create_app
from service.jobs.jobtype import JobType, JobTypes

PAGE = (Path(__file__).parents[2] / "docs" / "writing-a-job-type.md").read_text(encoding="utf-8")


def blocks() -> list[str]:
    return re.findall(r'```python title="word_jobs.py"\n(.*?)```', PAGE, re.DOTALL)


@pytest.fixture
def count_word(tmp_path: Path) -> JobType:
    """The type of the page."""
    (source,) = blocks()
    path = tmp_path / "word_jobs.py"
    path.write_text(source, encoding="utf-8")
    spec = spec_from_file_location("word_jobs", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    made: JobType = module.count_word
    return made


def test_it_has_as_few_lines_as_promised() -> None:
    (source,) = blocks()
    assert len([line for line in source.splitlines() if line.strip()]) <= 20


def test_the_other_examples_are_python_too() -> None:
    others = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(others) == 3
    for source in others:
        compile(source, "the page", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


async def test_it_runs(count_word: JobType, database_url: str, redis_url: str, tmp_path: Path) -> None:
    settings = settings_on(database_url, redis_url, tmp_path)
    types = JobTypes([count_word])
    async with (
        TestServer(create_app(settings, types)) as server,
        running_worker(settings, types),
        ClientSession(server.make_url("/"), headers={"Authorization": f"Bearer {ADMIN_KEY}"}) as api,
    ):

        async def end_of(job: str, text: bytes) -> dict[str, Any]:
            form = FormData()
            form.add_field("job", job, content_type="application/json")
            form.add_field("attachment", text, filename="a.txt", content_type="text/plain")
            made = await ask(api, "POST", "/api/jobs", data=form)
            assert made.status == 201, made
            return await until(api, made.body["id"], "finished", "failed")

        found = await end_of('{"type":"count_word","args":{"word":"word"}}', b"Word and word")
        assert (found["output"], found["category"]) == ('{"count":1}', "Texts")
        found = await end_of(
            '{"type":"count_word","args":{"word":"word","ignore_case":true}}', b"Word and word"
        )
        assert found["output"] == '{"count":2}'
        failed = await end_of('{"type":"count_word","args":{"word":"word"}}', b"")
        assert failed["error"] == {"code": "empty_text", "message": "The text is empty.", "retryable": False}
        refused = await ask(api, "POST", "/api/jobs", json={"type": "count_word", "args": {}})
        assert {fault["pointer"] for fault in refused.body["errors"]} == {"#/args/word", "#/attachment"}
        shown = (await ask(api, "GET", "/api/job-types/count_word")).body
        assert shown["description"] == "Count how often a word stands in a text."
        assert shown["params"]["properties"]["word"]["description"] == "To be counted."
        assert shown["workers"] == 1
