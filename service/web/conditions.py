"""ETags of resources that carry a version: `"7"` (RFC 9110, section 13)."""

from aiohttp import web

from service.errors import Malformed, PreconditionFailed


def etag(version: int) -> str:
    """The entity tag of a version."""
    return f'"{version}"'


def is_known(request: web.Request, version: int) -> bool:
    """Whether If-None-Match names this version, so that 304 is the answer."""
    given = request.headers.get("If-None-Match")
    if given is None:
        return False
    wanted = etag(version)
    return given == wanted or any(tag.strip().removeprefix("W/") in (wanted, "*") for tag in given.split(","))


def required_version(request: web.Request) -> int | None:
    """The version that If-Match demands; None without the header, or with `*`.

    Raises Malformed for what is no entity tag, PreconditionFailed for one that no version here ever had.
    """
    given = request.headers.get("If-Match")
    if given is None or given.strip() == "*":
        return None
    tag = given.strip()
    if len(tag) < 2 or tag[0] != '"' or tag[-1] != '"':  # noqa: PLR2004
        if tag.startswith("W/"):
            raise PreconditionFailed("a weak entity tag never matches here")
        raise Malformed('If-Match must be one entity tag, as ETag gave it: "7"')
    if not tag[1:-1].isdecimal() or len(tag) > 12:  # noqa: PLR2004
        raise PreconditionFailed(f"nothing here has the entity tag {tag[:40]}")
    return int(tag[1:-1])
