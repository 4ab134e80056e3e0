"""Many at once on one process, and pages that are walked meanwhile."""

import asyncio
from collections import Counter

from aiohttp import ClientSession, TCPConnector

from asking import ask


async def test_a_thousand_creates_and_two_thousand_reads_at_once(api: ClientSession) -> None:
    assert api._base_url
    async with ClientSession(api._base_url, headers=api.headers, connector=TCPConnector(limit=0)) as crowd:
        async with asyncio.timeout(60):
            made = await asyncio.gather(
                *(
                    ask(crowd, "POST", "/api/jobs", json={"type": "echo", "args": {"n": n}})
                    for n in range(1_000)
                )
            )
        statuses = Counter(one.status for one in made)
        assert set(statuses) <= {201, 503}, statuses
        assert all("Retry-After" in one.headers for one in made)
        ids = [one.body["id"] for one in made if one.status == 201]
        assert len(set(ids)) == len(ids) >= 900
        async with asyncio.timeout(60):
            read = await asyncio.gather(
                *(ask(crowd, "GET", f"/api/jobs/{ids[n % 900]}") for n in range(2_000))
            )
        assert {one.status for one in read} <= {200, 503}
        assert Counter(one.status for one in read)[200] >= 1_900


async def test_pages_show_each_job_once_however_many_come_in(api: ClientSession) -> None:
    async def add(jobs: int) -> set[str]:
        answer = await ask(api, "POST", "/api/jobs/batch", json=[{"type": "echo"}] * jobs)
        return {one["job"]["id"] for one in answer.body}

    there = set().union(*await asyncio.gather(*(add(500) for _ in range(6))))
    assert len(there) == 3_000
    seen: list[str] = []
    path: str | None = "/api/jobs?limit=130&type=echo&type=steps&fields=id,number"
    pages = 0
    while path:
        page, _ = await asyncio.gather(ask(api, "GET", path), add(20))
        seen += [job["id"] for job in page.body["jobs"]]
        path = page.body.get("next")
        assert page.headers.get("Link") == (f'<{path}>; rel="next"' if path else None)
        pages += 1
    assert len(seen) == len(set(seen))
    assert there <= set(seen)
    assert pages >= 24


async def test_a_tampered_cursor_is_refused(api: ClientSession) -> None:
    for _ in range(3):
        assert (await ask(api, "POST", "/api/jobs", json={"type": "echo"})).status == 201
    path = (await ask(api, "GET", "/api/jobs?limit=1")).body["next"]
    assert (await ask(api, "GET", path)).status == 200
    before, _, cursor = path.partition("cursor=")
    for place in range(len(cursor)):
        other = cursor[:place] + ("B" if cursor[place] == "A" else "A") + cursor[place + 1 :]
        assert (await ask(api, "GET", f"{before}cursor={other}")).status == 400, place
    for other in (cursor[:-1], cursor + "A", cursor + "=", "", "%00", cursor * 50):
        assert (await ask(api, "GET", f"{before}cursor={other}")).status == 400
