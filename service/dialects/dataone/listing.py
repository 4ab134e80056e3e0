"""The list of jobs: what may be asked for, and its pages."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from marshmallow import Schema, fields, validate

from service.access.principal import Permission, Principal
from service.db.connection import Connection
from service.dialects.dataone import wire
from service.dialects.dataone.statements import FILTERS, ORDERS, TYPES_IN_USE, Order
from service.dialects.dataone.wire import Template
from service.errors import Malformed
from service.jobs.cursor import NotOurs, seal, unseal
from service.jobs.jobtype import JobType
from service.jobs.pages import shared_definitions
from service.jobs.schemas import time
from service.web.encoding import dumps

_SORTS = [f"{sign}{name}" for name in ORDERS if not name.startswith("-") for sign in ("+", "-", "")]
_LONG = validate.Range(-(2**63), 2**63 - 1)
_TIMES = frozenset({"createdAtFrom", "createdAtTo", "updatedAtFrom", "updatedAtTo"})
_BESIDES = frozenset({"limit", "cursor"})
_READ: Mapping[str, Callable[[Any], Any]] = {"id": UUID, "number": int, "key": lambda value: value}


def _text(name: str, **more: Any) -> fields.String:
    return fields.String(load_default=None, data_key=name, **more)


def _word(name: str, words: Iterable[str]) -> fields.String:
    return _text(name, validate=validate.OneOf(list(words)))


def _long(name: str) -> fields.Integer:
    return fields.Integer(load_default=None, data_key=name, validate=_LONG)


def _time(name: str) -> fields.Field[Any]:
    field = time()
    field.data_key = name
    return field


class JobsIn(Schema):
    """The query of the list; every filter matches exactly what is shown, and times are inclusive bounds."""

    limit = fields.Integer(load_default=100, data_key="maxItems", validate=validate.Range(1, 1_000))
    sort = fields.String(load_default="-id", validate=validate.OneOf(_SORTS))
    cursor = fields.String(load_default=None)
    id = _text("id")
    status = _word("status", wire.STATUSES)
    queue = _text("queue")
    contract = _text("contract")
    template_id = _long("workflowTemplateId")
    template_name = _text("workflowTemplateName")
    template_revision = _long("workflowTemplateRevision")
    created_from = _time("createdAtFrom")
    created_to = _time("createdAtTo")
    updated_from = _time("updatedAtFrom")
    updated_to = _time("updatedAtTo")
    key = _text("extIPID")
    created_by = _text("submittedBy")
    root_id = _text("dfiid")
    correlation_id = _text("lcid")
    worker_id = _text("actor")
    action = _text("contractAction")
    contract_type = _word("contractType", (wire.DEFINITION, wire.TYPE))
    trigger = _word("contractActionTrigger", (wire.ON_DEMAND, wire.SCHEDULE))


def with_plus(name: str, text: str) -> str:
    """The value as it was meant: a plus that is not encoded arrives as a space."""
    if name == "sort" and text.startswith(" "):
        return f"+{text[1:]}"
    if name in _TIMES:
        head, space, zone = text.rpartition(" ")
        return f"{head}+{zone}" if space and "T" in head else text
    return text


async def page(
    connection: Connection,
    principal: Principal,
    job_types: Mapping[str, JobType],
    secrets: tuple[str, ...],
    asked: Mapping[str, Any],
) -> tuple[list[dict[str, Any]], str | None]:
    """A page of the jobs that the caller may see, as shown, and the cursor of the next one. Raises Malformed."""
    order = ORDERS[asked["sort"].removeprefix("+")]
    asking = dumps(["dataone", principal.tenant_id, {n: asked[n] for n in asked if n not in _BESIDES}])
    position = _position(order, secrets, asking, asked["cursor"])
    known = {row["type"] for row in await connection.fetch(TYPES_IN_USE, principal.tenant_id)}
    templates = {code: wire.template(code, job_types.get(code)) for code in sorted(known)}
    reader = codes = None
    if not principal.may(Permission.JOBS_READ_ALL):
        reader = principal.name
        codes = await shared_definitions(connection, principal.tenant_id, reader) or None
    filters = _filters(asked, templates)
    facts = (list(templates), [getattr(one, order.fact) for one in templates.values()]) if order.fact else ()
    rows = await connection.fetch(
        order.statement,
        principal.tenant_id,
        asked["limit"] + 1,
        reader,
        codes,
        *(filters[name] for name in FILTERS),
        *position,
        *facts,
    )
    shown = rows[: asked["limit"]]
    cursor = None
    if len(rows) > len(shown):
        cursor = seal(secrets, asking, dumps([shown[-1][name] for name in order.columns]))
    return [_shown(row, templates, job_types) for row in shown], cursor


def _shown(
    row: asyncpg.Record, templates: Mapping[str, Template], job_types: Mapping[str, JobType]
) -> dict[str, Any]:
    code = row["type"]
    return wire.job(row, templates.get(code) or wire.template(code, job_types.get(code)))


def _position(order: Order, secrets: tuple[str, ...], asking: bytes, cursor: str | None) -> list[Any]:
    """The key of the row before the page. Raises Malformed for a cursor of another list."""
    if cursor is None:
        return [None] * len(order.columns)
    try:
        values = orjson.loads(unseal(secrets, asking, cursor))
    except NotOurs:
        raise Malformed(
            "cursor: is none that this list has given, with this sort and these filters"
        ) from None
    return [
        _READ.get(name, datetime.fromisoformat)(value)
        for name, value in zip(order.columns, values, strict=True)
    ]


def _filters(asked: Mapping[str, Any], templates: Mapping[str, Template]) -> dict[str, Any]:
    """The values of FILTERS; None for what is not asked for."""
    wanted = None if asked["id"] is None else wire.asked_id(asked["id"])
    lcid, has_type, trigger = asked["correlation_id"], asked["contract_type"], asked["trigger"]
    of_types = {name: asked[f"template_{name}"] for name in ("id", "name", "revision")}
    types = [
        code
        for code, one in templates.items()
        if all(value in (None, getattr(one, name)) for name, value in of_types.items())
    ]
    return {
        **asked,
        "number": wanted if isinstance(wanted, int) else None,
        "id": wanted if isinstance(wanted, UUID) else None,
        "status": asked["status"] and wire.STATUSES[asked["status"]],
        "types": None if set(of_types.values()) == {None} else types,
        "root_id": None if asked["root_id"] is None else wire.asked_uuid(asked["root_id"]),
        "correlated_id": None if lcid is None else wire.asked_uuid(lcid),
        "has_definition": has_type and has_type == wire.DEFINITION,
        "is_scheduled": trigger and trigger == wire.SCHEDULE,
    }
