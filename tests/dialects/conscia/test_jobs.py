"""Jobs as Conscia's clients see them."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from aiohttp import ClientSession

from asking import ask, put_into
from dialects.conscia.conftest import Customer, WebService
from running import until
from service.dialects.conscia import wire
from service.jobs.states import Status
from service.web.encoding import dumps

Submit = Callable[..., Awaitable[dict[str, Any]]]


def native(job_id: str) -> str:
    """The UUID in an id of Conscia."""
    return job_id.partition("-")[2]


async def ended(customer: Customer, path: str, **params: Any) -> dict[str, Any]:
    job_id = await customer.run(path, **params)
    await until(customer.api, native(job_id), "finished", "failed")
    return await customer.job(job_id)


@pytest.mark.parametrize("status", list(Status))
async def test_each_status_has_its_word_in_reading_and_in_filtering(
    customer: Customer, submit: Submit, pool: asyncpg.Pool, status: Status
) -> None:
    made = {one: (await submit())["id"] for one in Status}
    for one, job_id in made.items():
        await put_into(pool, job_id, one)
    job = await customer.job(made[status])
    assert job["status"] == wire.WORDS[status]
    listed = (await customer.ask("GET", f"/jobs?status={wire.WORDS[status]}")).body["jobs"]
    assert job in listed
    assert {one["status"] for one in listed} == {wire.WORDS[status]}
    assert len(listed) == len([one for one in Status if wire.WORDS[one] == wire.WORDS[status]])
    if status is Status.CANCELLED:
        assert job["error"] == {"code": "cancelled", "message": "The job was cancelled."}
    elif status is Status.FAILED:
        assert job["error"] == {"code": "odd", "message": "odd"}
    else:
        assert job["error"] is None


async def test_results_are_json_or_text(customer: Customer, service: WebService, worker: object) -> None:
    call = "/job-types/callWebserviceEndpoint"
    assert (await ended(customer, call, url=service.url("/posts")))["result"] == [{"id": 1, "title": "first"}]
    assert (await ended(customer, call, url=service.url("/text")))["result"] == "no JSON, but a text"
    assert (await ended(customer, "/job-types/echo", a=[1]))["result"] == {"a": [1]}


async def test_a_web_service_that_refuses_fails_the_job_and_says_what_it_said(
    customer: Customer, service: WebService, worker: object
) -> None:
    job = await ended(customer, "/job-types/callWebserviceEndpoint", url=service.url("/missing"))
    assert (job["status"], job["result"]) == ("FAILED", None)
    assert job["error"].keys() == {"code", "message"}
    assert job["error"]["code"] == "outbound_failed"
    assert "404" in job["error"]["message"]
    assert "nothing here of that name" in job["error"]["message"]


async def test_an_address_that_is_forbidden_is_taken_and_fails_the_job(
    customer: Customer, worker: object
) -> None:
    job = await ended(customer, "/job-types/callWebserviceEndpoint", url="http://127.0.0.1:1/")
    assert (job["status"], job["error"]["code"]) == ("FAILED", "outbound_refused")


async def test_files_are_listed_with_addresses_that_give_them(
    customer: Customer, api: ClientSession, worker: object
) -> None:
    job = await ended(customer, "/job-types/sleep", seconds=0, steps=1, output_bytes=70_000)
    (file,) = job["result"]
    assert file.keys() == {"name", "url", "size", "expiresAt"}
    assert file["size"] == 70_000
    async with api.get(file["url"]) as got:
        assert (got.status, len(await got.read())) == (200, 70_000)
    async with api.get(file["url"], headers={"Authorization": "Bearer none"}) as refused:
        assert refused.status == 401


BASE: dict[str, Any] = {
    "id": "0199f3c2-7b1e-7cc4-9d3e-5a1b2c3d4e5f", "type": "t", "definition": None, "args": {}, "error": None,
    "percent_completed": 0, "created_at": "2026-11-22T23:59:59.999Z", "started_at": None, "outputs": [],
}  # fmt: skip
FILE = {"id": "1", "name": "a.csv", "size": 3, "expires_at": None}
SHOWN = {
    "name": "a.csv",
    "url": f"https://x/api/jobs/{BASE['id']}/outputs/1/content",
    "size": 3,
    "expiresAt": None,
}


@pytest.mark.parametrize(
    ("status", "output", "outputs", "result"),
    [
        ("finished", "text", [], "text"),
        ("finished", "", [], ""),
        ("finished", "NaN", [], "NaN"),
        ("finished", '{"a": ', [], '{"a": '),
        ("finished", "[" * 5_000, [], "[" * 5_000),
        ("finished", None, [], None),
        ("finished", None, [FILE], [SHOWN]),
        ("finished", "text", [FILE], "text"),
        ("failed", "its error", [], None),
        ("failed", "its error", [FILE], [SHOWN]),
        ("running", None, [FILE], None),
        ("cancelled", None, [], None),
    ],
)
def test_what_the_result_is(status: str, output: str | None, outputs: list[Any], result: Any) -> None:
    ended_at = None if status == "running" else "2026-11-23T00:00:00.000Z"
    one = {**BASE, "status": status, "output": output, "outputs": outputs, "terminated_at": ended_at}
    assert wire.job(one, "https://x")["result"] == result


def test_a_number_keeps_all_its_digits() -> None:
    text = '{"n": 123456789012345678901234567890.10}'
    one = {**BASE, "status": "finished", "output": text, "terminated_at": "2026-11-23T00:00:00.000Z"}
    assert dumps({"result": wire.job(one, "https://x")["result"]}).decode() == f'{{"result":{text}}}'


async def test_an_id_is_taken_in_either_form_and_with_no_other_day(customer: Customer) -> None:
    job_id = await customer.run("/job-types/echo", a=1)
    day, plain = job_id[:8], native(job_id)
    job = await customer.job(job_id)
    assert job["jobId"] == job_id
    assert job["createdAt"].replace("-", "").startswith(day)
    for form in (plain, plain.upper(), f"{day}-{plain.upper()}"):
        assert await customer.job(form) == job
    for odd in (
        f"20240302-{plain}", f"00000000-{plain}", f"{day}{plain}", f"{day}_{plain}", f"{day}-{plain}-", f"-{plain}",
        f"{day}-{uuid4()}", str(uuid4()), f"{day}-{day}-{plain}", day, "1", f"xxxxxxxx-{plain}",
    ):  # fmt: skip
        missing = await customer.ask("GET", f"/jobs/{odd}")
        assert (missing.status, missing.body["detail"]) == (404, "no such job"), odd


async def test_the_list_is_cut_by_limit_and_offset_without_gap(
    customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.jobs.listing.SKIPPED_AT_ONCE", 2)
    made = [await customer.run("/job-types/echo") for _ in range(7)][::-1]

    async def listed(**query: Any) -> list[str]:
        read = await customer.ask("GET", "/jobs", params=query)
        assert read.status == 200, read
        assert read.body.keys() == {"jobs"}
        return [one["jobId"] for one in read.body["jobs"]]

    assert await listed() == made
    for offset in range(9):
        assert await listed(limit=3, offset=offset) == made[offset : offset + 3]
    assert await listed(offset=2**31 - 1) == []


async def test_the_list_is_filtered(customer: Customer) -> None:
    await customer.define()
    plain = await customer.run("/job-types/echo")
    defined = await customer.run("/job-definitions/web-test")
    slept = await customer.run("/job-types/sleep", seconds=0)

    async def listed(query: str) -> set[str]:
        return {one["jobId"] for one in (await customer.ask("GET", f"/jobs?{query}")).body["jobs"]}

    assert await listed("jobType=echo") == {plain, defined}
    assert await listed("jobType=echo,sleep") == {plain, defined, slept}
    assert await listed("jobType=sleep&jobType=large") == {slept}
    assert await listed("jobDefinitionCode=web-test") == {defined}
    assert await listed("jobDefinitionCode=web-test&jobType=sleep") == set()
    assert await listed("status=STARTED&jobType=sleep") == {slept}
    assert await listed("status=COMPLETED,FAILED") == set()
    assert await listed("jobType=%27%20OR%201%3D1%20--") == set()
    assert await listed("odd=1&status=STARTED&type=sleep&cursor=x&fields=id&sort=x&label.x=y") == {
        plain, defined, slept,
    }  # fmt: skip


HOSTILE = [
    "status=started", "status=", "status=running", "status=STARTED,odd", "status=%00", "limit=0", "limit=-1",
    "limit=1001", "limit=x", "limit=", "limit=1&limit=2", "limit=1e2", "offset=-1", "offset=x", "offset=",
    "offset=2147483648", "offset=1&offset=2", "jobType=%00", "jobDefinitionCode=a%00b",
]  # fmt: skip


@pytest.mark.parametrize("query", HOSTILE)
async def test_a_filter_that_is_none_is_malformed(customer: Customer, query: str) -> None:
    refused = await customer.ask("GET", f"/jobs?{query}")
    assert (refused.status, refused.body["code"]) == (400, "malformed")
    assert query.split("=", maxsplit=1)[0] in refused.body["detail"]


async def test_secret_params_are_shown_as_stars(customer: Customer, service: WebService) -> None:
    params = {"url": service.url("/posts"), "headers": {"X-Api-Key": "hunter22"}}
    job_id = await customer.run("/job-types/callWebserviceEndpoint", **params)
    assert (await customer.job(job_id))["params"]["headers"] == {"X-Api-Key": "***"}
    made = await customer.define("web-test", "callWebserviceEndpoint", params=params)
    assert made.body["jobDefinition"]["params"]["headers"] == {"X-Api-Key": "***"}
    same = await customer.ask("PATCH", "/job-definitions/web-test", json=made.body)
    assert same.status == 200, same
    assert "hunter22" not in (await customer.ask("GET", "/jobs")).text


async def test_a_job_of_any_other_view_is_seen(
    customer: Customer, api: ClientSession, submit: Submit
) -> None:
    made = await submit("echo", args={"a": 1})
    (job,) = (await customer.ask("GET", "/jobs")).body["jobs"]
    assert job == await customer.job(made["id"])
    assert native(job["jobId"]) == made["id"]
    assert (await ask(api, "DELETE", f"/api/jobs/{made['id']}")).status == 204
    assert (await customer.ask("GET", f"/jobs/{job['jobId']}")).status == 404
    assert (await customer.ask("GET", "/jobs")).body == {"jobs": []}
