"""The one redaction: no secret comes out of a line, and nothing else is taken from it."""

from uuid import UUID

import pytest

from service.files.links import LinkSigner
from service.telemetry.redaction import Redaction

KEY = "lv_0123456789abcdef0123456789abcdef_" + "5e" * 28
LINK_ID = UUID("01a21cff-991a-7345-8c39-a9f885a5ec20")
LINK = LinkSigner(["a-secret"]).token(LINK_ID)
redact = Redaction(["the-admin-key-of-the-settings", "short"])


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("secret whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw=.", "secret whsec_***."),
        (f"token {KEY}.", "token lv_0123456789abcdef0123456789abcdef_***."),
        (f'"path":"/d/{LINK_ID}/{LINK}"', f'"path":"/d/{LINK_ID}/***"'),
        (f"GET /d/{LINK_ID}/{LINK}?x=1 HTTP/1.1", f"GET /d/{LINK_ID}/***?x=1 HTTP/1.1"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer ***"),
        ('{"AUTHORIZATION": "bearer abcdefgh"}', '{"AUTHORIZATION": "bearer ***"}'),
        ("b'Authorization: Basic dXNlcjpwYXNz\\r\\n'", "b'Authorization: Basic ***\\r\\n'"),
        ("Authorization: abcdef", "Authorization: ***"),
        ("postgresql://lavori:p@ssword@db/x", "postgresql://lavori:***@db/x"),
        ("redis://:hunter2@cache:6379/0", "redis://:***@cache:6379/0"),
        ("key the-admin-key-of-the-settings!", "key ***!"),
    ],
)
def test_a_secret_is_hidden_wherever_it_stands(line: str, left: str) -> None:
    assert redact(line.encode()).decode() == left
    around = [b"before\n", line.encode(), b"\nbehind\n"]
    assert redact.joined(around).decode() == f"before\n{left}\nbehind\n"


@pytest.mark.parametrize(
    "line",
    [
        '{"route":"/d/{link}/{token}","request_id":"debb592b7d4cc471cd29b806"}',
        "http://127.0.0.1:8080/api/jobs/0199f3c2-7b1e-7cc4-9d3e-5a1b2c3d4e5f",
        "the bearer of bad news, a basic thing",
        "a short line",
        "https://example.org/a?b=c@d",
    ],
)
def test_innocent_lines_stay_as_they_are(line: str) -> None:
    assert redact(line.encode()).decode() == line


def test_two_secrets_of_one_line_are_both_hidden() -> None:
    left = redact(f"{KEY} {KEY} /d/{LINK_ID}/{LINK} the-admin-key-of-the-settings".encode()).decode()
    for secret in (KEY, LINK, "5e5e", "admin-key"):
        assert secret not in left


def test_lines_that_go_together_stay_apart() -> None:
    assert (
        redact.joined([b"Authorization:\n", b'{"event": "next"}\n']) == b'Authorization:\n{"event": "next"}\n'
    )
    assert redact.joined([b"clean\n"] * 3) == b"clean\n" * 3
