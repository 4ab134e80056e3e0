"""Who gets mail of the ends of a definition's jobs."""

from typing import Any

import pytest
from aiohttp import ClientSession

from asking import ask, key_for
from dialects.conscia.conftest import Customer
from receivers import MailReceiver
from running import until

OFFICE = "office@example.org"
FAILS = {"seconds": 0, "steps": 1, "fail": True}
WORKS = {"seconds": 0, "steps": 1}


@pytest.fixture
async def owner(api: ClientSession) -> Customer:
    """Who makes the definition."""
    return Customer(api, await key_for(api, "owner@example.org", "user"))


@pytest.fixture
async def runner(api: ClientSession) -> Customer:
    """Somebody else, who runs it."""
    return Customer(api, await key_for(api, "runner@example.org", "curator"))


async def run(owner: Customer, runner: Customer, params: dict[str, Any], options: dict[str, Any]) -> int:
    """Let the one define and the other run; how many notices are owed at the end."""
    assert (await owner.define(type_="sleep", params=params, options=options)).status == 201
    job_id = (await runner.run("/job-definitions/web-test")).partition("-")[2]
    await until(owner.api, job_id, "finished", "failed")
    return len((await ask(owner.api, "GET", f"/api/jobs/{job_id}/notices")).body["notices"])


async def test_completion_is_told_to_who_ran_it_and_to_the_list(
    owner: Customer, runner: Customer, mails: MailReceiver, worker: object
) -> None:
    options = {"skipNotification": True, "sendCompletionEmail": True, "emailList": [OFFICE, "b@example.org"]}
    assert await run(owner, runner, WORKS, options) == 3
    found = await mails.until(3)
    assert set(mails.recipients) == {"runner@example.org", OFFICE, "b@example.org"}
    assert all("has finished" in mail["Subject"] for mail in found)


async def test_failure_is_told_to_who_ran_it(
    owner: Customer, runner: Customer, mails: MailReceiver, worker: object
) -> None:
    assert await run(owner, runner, FAILS, {"sendFailureEmail": True}) == 1
    (mail,) = await mails.until(1)
    assert mails.recipients == ["runner@example.org"]
    assert "has failed" in mail["Subject"]


@pytest.mark.parametrize(
    ("params", "options"),
    [
        (FAILS, {"sendCompletionEmail": True, "sendFailureEmail": False, "emailList": [OFFICE]}),
        (WORKS, {"sendFailureEmail": True, "emailList": [OFFICE]}),
        (WORKS, {"emailList": [OFFICE]}),
        (WORKS, {}),
    ],
)
async def test_what_nobody_asked_for_is_not_told(
    owner: Customer, runner: Customer, params: dict[str, Any], options: dict[str, Any], worker: object
) -> None:
    assert await run(owner, runner, params, options) == 0


async def test_who_ran_it_and_stands_in_the_list_gets_one_mail(
    owner: Customer, runner: Customer, mails: MailReceiver, worker: object
) -> None:
    options = {"sendCompletionEmail": True, "emailList": ["Runner@example.org"]}
    assert await run(owner, runner, WORKS, options) == 1
    await mails.until(1)


async def test_of_a_scheduled_job_the_owner_of_the_definition_is_told(
    owner: Customer, mails: MailReceiver, worker: object
) -> None:
    options = {"sendCompletionEmail": True, "emailList": [OFFICE]}
    made = await owner.define(type_="sleep", params=WORKS, options=options, schedule={"cron": "* * * * * ?"})
    assert made.status == 201, made
    await mails.until(2)
    assert {"owner@example.org", OFFICE} == set(mails.recipients)
    assert (await owner.ask("DELETE", "/job-definitions/web-test")).status == 204


async def test_a_change_of_the_options_is_for_the_next_job(
    owner: Customer, runner: Customer, mails: MailReceiver, worker: object
) -> None:
    assert await run(owner, runner, WORKS, {}) == 0
    patch = {"jobDefinition": {"options": {"sendCompletionEmail": True}}}
    assert (await owner.ask("PATCH", "/job-definitions/web-test", json=patch)).status == 200
    await runner.run("/job-definitions/web-test")
    await mails.until(1)
    assert mails.recipients == ["runner@example.org"]
