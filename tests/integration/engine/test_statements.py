"""Every SQL constant of the code is a statement that PostgreSQL takes against schema.sql."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from types import ModuleType

import asyncpg
import pytest

import service
import workers

SQL = re.compile(
    r"\s*(--[^\n]*\n\s*)*(SELECT|INSERT|UPDATE|DELETE|WITH|TRUNCATE|MERGE|CREATE|COPY)\s", re.ASCII
)
NOT_PREPARABLE = re.compile(r"\s*(CREATE|COPY|TRUNCATE)\s")


def modules() -> Iterator[ModuleType]:
    for package in (service, workers):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__"):
                yield importlib.import_module(found.name)


def statements() -> dict[str, str]:
    return {
        f"{module.__name__}.{name}": value
        for module in modules()
        for name, value in vars(module).items()
        if name.isupper() and name[0] != "_" and isinstance(value, str) and SQL.match(value)
    }


STATEMENTS = statements()


def test_the_statements_are_found() -> None:
    assert {"service.jobs.claims.CLAIM", "service.jobs.store.INSERT", "service.jobs.control.CANCEL"} <= set(
        STATEMENTS
    )
    assert len(STATEMENTS) > 60


async def test_every_statement_prepares_against_the_schema(pool: asyncpg.Pool) -> None:
    faults = {}
    async with pool.acquire() as connection, connection.transaction():
        for statement in STATEMENTS.values():
            if "CREATE TEMP" in statement:
                await connection.execute(statement)
        for name, statement in STATEMENTS.items():
            if NOT_PREPARABLE.match(statement):
                continue
            try:
                async with connection.transaction():
                    await connection.prepare(statement)
            except asyncpg.PostgresError as error:
                faults[name] = f"{type(error).__name__}: {error}"
    assert faults == {}


@pytest.mark.parametrize("name", [name for name in STATEMENTS if name.split(".")[0] == "workers"])
def test_a_statement_is_static(name: str) -> None:
    assert "%s" not in STATEMENTS[name]
    assert not re.search(r"\{[a-z_]*\}", STATEMENTS[name])
