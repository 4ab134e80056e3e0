"""What a refusal of the server becomes for people. Pure."""

import json
from typing import Any

from service.cli.client.ending import Code, Ended, code_of
from service.cli.client.harmless import lines, one_line

MOST_FAULTS = 20


def refusal(status: int, reason: str | None, body: bytes, request_id: str | None) -> Ended:
    """The end of a command whose request was refused."""
    problem = _parsed(body)
    if problem is None:
        said = [f"The server answered {status} {reason or ''}".rstrip() + "."]
    else:
        detail = str(problem.get("detail") or problem.get("title") or f"status {status}")
        faults = problem.get("errors")
        said = _told(faults) if isinstance(faults, list) and faults else [sentence(lines(detail))]
    code = code_of(status)
    if code is Code.UNAUTHENTICATED:
        said.append("Log in with `lavori login`, or set LAVORI_TOKEN.")
    if status >= 500 and request_id:  # noqa: PLR2004 - the server's own faults
        said.append(f"The request is {one_line(request_id)} in the server's log.")
    return Ended("\n".join(said), code)


def _parsed(body: bytes) -> dict[str, Any] | None:
    try:
        problem = json.loads(body)
    except ValueError:
        return None
    return problem if isinstance(problem, dict) else None


def _told(faults: list[Any]) -> list[str]:
    told = [
        f"{one_line(str(fault.get('pointer')))}: {sentence(one_line(str(fault.get('detail'))))}"
        for fault in faults[:MOST_FAULTS]
        if isinstance(fault, dict)
    ]
    if len(faults) > MOST_FAULTS:
        told.append(f"And {len(faults) - MOST_FAULTS} more.")
    return told


def sentence(text: str) -> str:
    """The text with a capital letter in front and a full stop behind."""
    text = text.strip()
    whole = text[:1].upper() + text[1:]
    return whole if whole.endswith((".", "!", "?", "`")) else f"{whole}."
