"""What notices say, and when they are told again: the pure parts."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest
from standardwebhooks import Webhook

from service.notifications.verdict import MOST_TRIES, Outcome, Verdict, delivered, pause_after
from service.notifications.webhook import judged, new_secret, signed_headers, webhook_body

DOCS = Path(__file__).parents[2] / "docs" / "notices.md"
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
FAILED = Verdict(Outcome.FAILED)


def test_the_code_of_the_docs_verifies_what_is_sent() -> None:
    code = DOCS.read_text(encoding="utf-8").partition("```python\n")[2].partition("```")[0]
    names: dict[str, Any] = {}
    exec(code, names)
    secret, body = new_secret(), webhook_body("finished", NOW, b'{"id": "x"}')
    headers = signed_headers(uuid4(), int(time.time()), body, [secret])
    assert names["verified"](secret, headers, body)["data"] == {"id": "x"}


def test_each_live_secret_signs() -> None:
    secrets = [new_secret(), new_secret()]
    headers = signed_headers(uuid4(), int(time.time()), b"{}", secrets)
    for secret in secrets:
        assert Webhook(secret).verify(b"{}", headers) == {}


def test_a_huge_job_is_told_without_its_args_and_output() -> None:
    job = orjson.dumps({"id": "x", "args": {"a": "x" * 2**20}, "output": "y"})
    told = orjson.loads(webhook_body("finished", NOW, job))
    assert told["data"] == {"id": "x", "args": None, "output": None}


def test_pauses_grow_fourfold_up_to_twelve_hours_and_end_after_ten_tries() -> None:
    pauses = [pause_after(FAILED, n, first_pause=5, jitter=0.5) for n in range(1, MOST_TRIES + 1)]
    assert pauses[:4] == [5, 20, 80, 320]
    assert pauses[-2:] == [12 * 3600, None]


def test_a_pause_is_spread_by_a_fifth() -> None:
    assert pause_after(FAILED, 1, first_pause=10, jitter=0) == 8
    assert pause_after(FAILED, 1, first_pause=10, jitter=1) == pytest.approx(12)


@pytest.mark.parametrize("verdict", [delivered(200), Verdict(Outcome.REFUSED), Verdict(Outcome.GONE)])
def test_only_a_failure_is_tried_again(verdict: Verdict) -> None:
    assert pause_after(verdict, 1, first_pause=5, jitter=0) is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("120", 120), ("0", 5), ("nonsense", 5), ("-5", 5), ("999999999999", 86_400), ("\u0661", 5), (None, 5)],
)
def test_retry_after_makes_a_pause_longer_by_a_day_at_most(header: str | None, seconds: float) -> None:
    assert pause_after(judged(503, header, NOW), 1, first_pause=5, jitter=0.5) == seconds


def test_retry_after_may_be_a_date() -> None:
    verdict = judged(503, "Wed, 21 Oct 2015 07:28:30 GMT", datetime(2015, 10, 21, 7, 28, tzinfo=UTC))
    assert verdict.retry_after == 30
