"""The examples of docs/jobs.md, run as they stand."""

from collections.abc import Awaitable, Callable


async def test_the_examples_about_jobs_work(run_page: Callable[..., Awaitable[str]]) -> None:
    said = await run_page("jobs.md")
    assert said.count('"status":"pending"') >= 5
    assert '"idempotency_key":"monday"' in said
    assert '"name":"table.csv"' in said
    assert '"code":"unknown_job_type"' in said
    assert "\n304\n" in f"\n{said.replace('}', '}' + chr(10))}"
    assert '"status":"cancelled"' in said
