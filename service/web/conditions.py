"""ETags of resources that carry a version: `"7"` (RFC 9110, section 13)."""

import re

from aiohttp import web

_VERSION = re.compile(r'"([1-9][0-9]{0,8})"')


def etag(version: int) -> str:
    """The entity tag of a version."""
    return f'"{version}"'


def is_known(request: web.Request, version: int | str) -> bool:
    """Whether If-None-Match names this version (or this entity tag, of what has none), so that 304 is the answer."""
    given = request.headers.get("If-None-Match")
    if given is None:
        return False
    wanted = version if isinstance(version, str) else etag(version)
    return given == wanted or any(
        tag.removeprefix("W/") in (wanted, "*") for tag in _tags(request, "If-None-Match")
    )


def required_versions(request: web.Request) -> list[int] | None:
    """The versions that If-Match allows; None without the header, or with `*`.

    What is no version's strong entity tag matches nothing, so the list may be empty.
    """
    if "If-Match" not in request.headers:
        return None
    tags = _tags(request, "If-Match")
    return None if "*" in tags else [int(found[1]) for tag in tags if (found := _VERSION.fullmatch(tag))]


def _tags(request: web.Request, name: str) -> list[str]:
    return [tag.strip() for line in request.headers.getall(name) for tag in line.split(",")]
