"""The job types sleep and echo."""

import asyncio
from typing import Any

import pytest
from aiohttp import ClientSession

from running import until


async def run(api: ClientSession, type_: str, args: dict[str, Any]) -> dict[str, Any]:
    async with api.post("/api/jobs", json={"type": type_, "args": args}) as response:
        made = await response.json()
        assert response.status == 201, made
    return await until(api, made["id"], "finished", "failed")


async def test_echo_gives_its_args_back(api: ClientSession, worker: asyncio.Event) -> None:
    job = await run(api, "echo", {"a": [1, {"b": None}], "\u00e8": "\u20ac"})
    assert job["output"] == '{"a":[1,{"b":null}],"\u00e8":"\u20ac"}'
    assert job["response_type"] == "inline"


async def test_sleep_reports_each_step(api: ClientSession, worker: asyncio.Event) -> None:
    job = await run(api, "sleep", {"seconds": 0.1, "steps": 4})
    assert (job["status"], job["output"], job["running_output"]) == ("finished", "", "step 4 of 4")
    async with api.get(f"/api/jobs/{job['id']}/messages") as response:
        messages = (await response.json())["messages"]
    assert [one["text"] for one in messages] == [f"step {n} of 4" for n in (1, 2, 3, 4)]


async def test_sleep_fails_when_told_so(api: ClientSession, worker: asyncio.Event) -> None:
    job = await run(api, "sleep", {"seconds": 0, "steps": 1, "fail": True})
    assert (job["status"], job["error"]["code"]) == ("failed", "told_to_fail")


@pytest.mark.parametrize("size", [1, 65_536])
async def test_a_small_output_of_sleep_is_inline(
    api: ClientSession, worker: asyncio.Event, size: int
) -> None:
    job = await run(api, "sleep", {"seconds": 0, "steps": 1, "output_bytes": size})
    assert (job["response_type"], len(job["output"])) == ("inline", size)


@pytest.mark.parametrize("size", [65_537, (2 << 20) + 1])
async def test_a_large_output_of_sleep_is_a_file(
    api: ClientSession, worker: asyncio.Event, size: int
) -> None:
    job = await run(api, "sleep", {"seconds": 0, "steps": 1, "output_bytes": size})
    assert (job["response_type"], job["output"]) == ("publish_link", None)
    assert job["outputs"][0]["size"] == size


@pytest.mark.parametrize(
    "args",
    [
        {"seconds": -1},
        {"seconds": 86_401},
        {"steps": 0},
        {"steps": 2.5},
        {"output_bytes": (1 << 30) + 1},
        {"x": 1},
    ],
)
async def test_sleep_has_bounds(api: ClientSession, args: dict[str, Any]) -> None:
    async with api.post("/api/jobs", json={"type": "sleep", "args": args}) as response:
        assert response.status == 422
