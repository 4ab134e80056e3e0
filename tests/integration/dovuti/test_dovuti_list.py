"""Reading dues over HTTP."""

from typing import Any

import asyncpg
import pytest
from aiohttp import ClientSession

from dues import SERVICE, Import
from workers.jobtypes.dovuti.rows import COLUMNS

HEADER = ",".join(COLUMNS)
PERSON, FIRM = "RCCMNL83S18D969H", "00743110157"


@pytest.fixture
async def imported(import_file: Import) -> None:
    """25 dues, each fifth of a firm."""
    rows = (
        f"3{n:017},,{n + 1}.5,Mensa {n},01-11-2026,31-12-2026,,{FIRM if n % 5 == 0 else PERSON},Anna,a@b.it"
        for n in range(25)
    )
    job = await import_file("\n".join([HEADER, *rows]))
    assert job["status"] == "finished"


async def page(api: ClientSession, **query: Any) -> dict[str, Any]:
    async with api.get("/api/dovuti", params={"service_id": SERVICE, **query}) as response:
        assert response.status == 200, await response.text()
        found: dict[str, Any] = await response.json()
        return found


async def test_a_due_has_iso_dates_and_a_decimal_string(api: ClientSession, imported: None) -> None:
    due = (await page(api, limit=1))["dovuti"][0]
    assert due.pop("job_id")
    assert due == {
        "service_id": SERVICE,
        "notice_number": "300000000000000000",
        "iuv": "00000000000000000",
        "amount": "1.50",
        "reason": "Mensa 0",
        "created_at": "2026-11-01",
        "expire_at": "2026-12-31",
        "payer_type": "G",
        "payer_tax_identification_number": FIRM,
        "payer_name": "Anna",
        "payer_email": "a@b.it",
    }


async def test_pages_show_every_due_once(api: ClientSession, imported: None) -> None:
    found, address = [], f"/api/dovuti?service_id={SERVICE}&limit=10"
    sizes = []
    while address:
        async with api.get(address) as response:
            body = await response.json()
        assert (response.headers.get("Link") == f'<{body.get("next")}>; rel="next"') is ("next" in body)
        sizes.append(len(body["dovuti"]))
        found += [due["notice_number"] for due in body["dovuti"]]
        address = body.get("next")
    assert sizes == [10, 10, 5]
    assert found == [f"3{n:017}" for n in range(25)]


async def test_filters_narrow_the_list(api: ClientSession, imported: None) -> None:
    assert [due["reason"] for due in (await page(api, notice_number="300000000000000007"))["dovuti"]] == [
        "Mensa 7"
    ]
    assert len((await page(api, payer_tax_identification_number=FIRM.lower()))["dovuti"]) == 5
    assert len((await page(api, payer_tax_identification_number=PERSON.lower()))["dovuti"]) == 20
    assert (await page(api, notice_number="none"))["dovuti"] == []
    assert (await page(api, service_id="00000000-0000-0000-0000-000000000001"))["dovuti"] == []


async def test_a_count_is_of_all_pages(api: ClientSession, imported: None) -> None:
    first = await page(api, limit=10, count="true")
    assert (first["count"], len(first["dovuti"])) == (25, 10)
    async with api.get(first["next"]) as response:
        assert (await response.json())["count"] == 25
    assert (await page(api, payer_tax_identification_number=FIRM, count="true"))["count"] == 5
    assert (await page(api, notice_number="none", count="true"))["count"] == 0
    assert "count" not in await page(api, count="false")


async def test_another_tenants_dues_are_not_there(
    api: ClientSession, imported: None, pool: asyncpg.Pool
) -> None:
    await pool.execute("UPDATE dovuti SET tenant_id = tenant_id + 1")
    assert await page(api, count="true") == {"dovuti": [], "count": 0}


@pytest.mark.parametrize(
    "query",
    ["", "service_id=x", "limit=0", "limit=1001", "cursor=x", "count=x", "colour=red", "notice_number=%00"],
)
async def test_a_query_that_does_not_fit_is_malformed(api: ClientSession, query: str) -> None:
    prefix = "" if not query or query.startswith("service_id") else f"service_id={SERVICE}&"
    async with api.get(f"/api/dovuti?{prefix}{query}") as response:
        assert (response.status, (await response.json())["code"]) == (400, "malformed")


async def test_reading_needs_a_token(api: ClientSession) -> None:
    async with api.get(
        f"/api/dovuti?service_id={SERVICE}", headers={"Authorization": "Bearer nobody"}
    ) as response:
        assert response.status == 401
