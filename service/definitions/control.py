"""Making, changing and removing definitions: each with its audit row in one transaction."""

from collections.abc import Callable
from typing import Any

import asyncpg
from uuid_utils.compat import uuid7

from service.access.audit import Origin, record
from service.access.principal import Permission, Principal
from service.definitions import fire_store, store
from service.definitions.prepare import Wanted, prepare, scheduled
from service.definitions.schemas import DefinitionIn, DefinitionPut
from service.definitions.view import changed, request_of
from service.errors import Conflict, Fault, Forbidden, Invalid, NotFound, PreconditionFailed
from service.jobs.attach import let_go
from service.jobs.control import Versions
from service.jobs.core import Core
from service.jobs.defined import may_see
from service.jobs.merge import merge_patch
from service.jobs.modify import exchange

_DEFINITION_IN, _DEFINITION_PUT = DefinitionIn(), DefinitionPut()
_AT_ONCE = 1_000


def no_such_definition() -> NotFound:
    """What is said of a definition that is not there, or not to be seen."""
    return NotFound("no such job definition")


async def visible(core: Core, principal: Principal, code: str) -> asyncpg.Record:
    """A definition that the caller may see. Raises NotFound."""
    row = await store.read(core.pool, principal.tenant_id, code)
    if row is None or not may_see(principal, row["created_by"], row["shared_with"]):
        raise no_such_definition()
    return row


def reader_of(principal: Principal) -> str | None:
    """Whose definitions a list shows; None for who sees all."""
    sees_all = principal.may(Permission.JOBS_READ_ALL) or principal.may(Permission.DEFINITIONS_WRITE_ALL)
    return None if sees_all else principal.name


async def all_visible(core: Core, principal: Principal) -> list[asyncpg.Record]:
    """Every definition that the caller may see, by code."""
    found: list[asyncpg.Record] = []
    while True:
        after = found[-1]["code"] if found else None
        reader = reader_of(principal)
        rows = await store.page(
            core.pool, principal.tenant_id, reader, None, None, after=after, limit=_AT_ONCE
        )
        found += rows
        if len(rows) < _AT_ONCE:
            return found


async def create(core: Core, principal: Principal, body: Any, origin: Origin) -> str:
    """Make a definition; answers its code. Raises Forbidden, Invalid, UnknownJobType, Conflict, TooLarge."""
    if not (principal.may(Permission.JOBS_CREATE) or principal.may(Permission.DEFINITIONS_WRITE_ALL)):
        raise Forbidden("this needs the permission jobs:create or definitions:write_all")
    asked = _object(body)
    code = asked.get("code")
    definition_id = uuid7()
    columns = await prepare(core, principal, _DEFINITION_IN, Wanted(definition_id, str(code), asked))
    async with core.pool.acquire() as connection, connection.transaction():
        columns = await scheduled(connection, columns, definition_id, None)
        is_new = await store.insert(
            connection, definition_id, principal.tenant_id, str(code), principal.name, columns
        )
        if is_new:
            await exchange(connection, None, columns.attachment_file_id)
            changes = {"type": [None, columns.type], "name": [None, columns.name]}
            await record(connection, principal, "create", "definition", str(code), changes, origin)
    if not is_new:
        if columns.attachment_file_id is not None:
            await let_go(core.pool, columns.attachment_file_id)
        raise Conflict(f"there is a job definition {code} already")
    return str(code)


async def modify(
    core: Core, principal: Principal, code: str, patch: Any, versions: Versions, origin: Origin
) -> None:
    """Apply a merge patch. Raises NotFound, Forbidden, PreconditionFailed, Invalid, UnknownJobType, TooLarge."""
    asked = _of_path(_object(patch), code)

    def wanted(row: asyncpg.Record) -> Wanted:
        body = merge_patch(request_of(row), {name: asked[name] for name in asked if name != "attachment"})
        if asked.get("attachment") is not None:
            body["attachment"] = asked["attachment"]
        return Wanted(row["id"], code, body, row, keeps_attachment="attachment" not in asked)

    await _change(core, principal, code, wanted, versions, origin)


async def replace(
    core: Core, principal: Principal, code: str, body: Any, versions: Versions, origin: Origin
) -> None:
    """Replace all of it: what the body does not name goes back to its default. Raises as `modify`."""
    asked = _of_path(_object(body), code)
    await _change(core, principal, code, lambda row: Wanted(row["id"], code, asked, row), versions, origin)


async def delete(core: Core, principal: Principal, code: str, versions: Versions, origin: Origin) -> None:
    """Remove a definition; its jobs stay. Raises NotFound, Forbidden, PreconditionFailed."""
    async with core.pool.acquire() as connection, connection.transaction():
        row = _changeable(await store.lock(connection, principal.tenant_id, code), principal, versions)
        await store.delete(connection, row["id"])
        if row["attachment_file_id"] is not None:
            await let_go(connection, row["attachment_file_id"])
        changes = {"type": [row["type"], None], "name": [row["name"], None]}
        await record(connection, principal, "delete", "definition", code, changes, origin)


def _object(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise Invalid([Fault("#", "must be a JSON object")])
    return body


def _of_path(asked: dict[str, Any], code: str) -> dict[str, Any]:
    """The body without its code, which is the path's. Raises Invalid."""
    if asked.get("code", code) != code:
        raise Invalid([Fault("#/code", f"this is the definition {code}, and a code cannot be changed")])
    return {name: value for name, value in asked.items() if name != "code"}


def _changeable(row: asyncpg.Record | None, principal: Principal, versions: Versions) -> asyncpg.Record:
    """The definition, which is there, and the caller's to change. Raises NotFound, Forbidden, PreconditionFailed."""
    if row is None or not may_see(principal, row["created_by"], row["shared_with"]):
        raise no_such_definition()
    is_own = row["created_by"] == principal.name and principal.may(Permission.JOBS_CREATE)
    if not is_own and not principal.may(Permission.DEFINITIONS_WRITE_ALL):
        raise Forbidden("this job definition may be read, but not changed, by the caller")
    if versions is not None and row["version"] not in versions:
        raise PreconditionFailed(f"the job definition is at version {row['version']}")
    return row


async def _change(
    core: Core,
    principal: Principal,
    code: str,
    wanted: Callable[[asyncpg.Record], Wanted],
    versions: Versions,
    origin: Origin,
) -> None:
    """Write what is wanted of the definition as it is. It is prepared, and files are stored, before its row is held."""
    while True:
        row = _changeable(await store.read(core.pool, principal.tenant_id, code), principal, versions)
        columns = await prepare(core, principal, _DEFINITION_PUT, wanted(row))
        async with core.pool.acquire() as connection, connection.transaction():
            held = _changeable(await store.lock(connection, principal.tenant_id, code), principal, versions)
            if held["version"] == row["version"]:
                columns = await scheduled(connection, columns, row["id"], row)
                await store.update(connection, row["id"], columns)
                await exchange(connection, row["attachment_file_id"], columns.attachment_file_id)
                if columns.next_run_at is None:
                    await fire_store.drop_waiting(connection, row["id"])
                changes = changed(row, {**row, **columns._asdict()})
                await record(connection, principal, "modify", "definition", code, changes, origin)
                return
        # Somebody, or its schedule, has changed it meanwhile: once more, from what it is now.
        if columns.attachment_file_id not in (None, row["attachment_file_id"]):
            await let_go(core.pool, columns.attachment_file_id)
