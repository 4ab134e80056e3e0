"""Every error is explained: its class, its page and docs/errors.md say the same."""

import re
from collections.abc import Awaitable, Callable
from importlib import import_module
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from service.access.middleware import authenticate, open_to_all
from service.errors import LavoriError
from service.web.middleware import edge
from service.web.problems import PROBLEMS, REMEDIES, routes

StartClient = Callable[[web.Application], Awaitable[TestClient[web.Request, web.Application]]]
DOCS = Path(__file__).parents[2] / "docs" / "errors.md"


def tree(root: type[LavoriError]) -> set[type[LavoriError]]:
    return {root}.union(*(tree(one) for one in root.__subclasses__()))


def application() -> web.Application:
    app = web.Application(middlewares=[edge, authenticate])
    for route in routes:
        open_to_all(route.handler)
    app.add_routes(routes)
    return app


def test_every_error_of_the_service_has_its_problem() -> None:
    import_module("service.app")  # and with it all of the service
    for error in tree(LavoriError):
        problem = PROBLEMS[error.code]
        assert problem.status == error.status
        if error.__module__ == "service.errors":
            assert error.__doc__ is not None
            assert error.__doc__ in problem.meaning
    assert set(REMEDIES) == set(PROBLEMS) == {error.code for error in tree(LavoriError)}


def test_the_documentation_lists_every_problem_as_it_is() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| (\d+) \| (.+) \| (.+) \|$", DOCS.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert rows == [(one.code, str(one.status), one.meaning, one.remedy) for one in PROBLEMS.values()]


@pytest.mark.parametrize("code", PROBLEMS)
async def test_a_problems_page_explains_it_to_people_and_programs(
    aiohttp_client: StartClient, code: str
) -> None:
    client = await aiohttp_client(application())
    problem = PROBLEMS[code]
    async with client.get(problem.type) as response:
        assert response.status == 200
        told = await response.json()
    assert (told["code"], told["status"], told["meaning"]) == (code, problem.status, problem.meaning)
    async with client.get(problem.type, headers={"Accept": "text/html,*/*;q=0.8"}) as response:
        assert response.content_type == "text/html"
        page = await response.text()
    assert f"<h1>{problem.title}</h1>" in page
    assert "`" not in page
    assert "<token>" not in page


async def test_the_list_leads_to_every_page(aiohttp_client: StartClient) -> None:
    client = await aiohttp_client(application())
    async with client.get("/problems") as response:
        assert [one["code"] for one in (await response.json())["problems"]] == list(PROBLEMS)
    async with client.get("/problems", headers={"Accept": "text/html"}) as response:
        page = await response.text()
    assert re.findall(r'href="/problems/(\w+)"', page) == list(PROBLEMS)


async def test_an_unknown_code_is_not_found(aiohttp_client: StartClient) -> None:
    client = await aiohttp_client(application())
    async with client.get("/problems/nothing") as response:
        assert response.status == 404
        assert (await response.json(content_type="application/problem+json"))["code"] == "not_found"
