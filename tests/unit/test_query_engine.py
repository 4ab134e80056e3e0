"""The engine of query_table: what it answers, and that no query reaches anything but its table."""

import socket
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from service.sandbox.child import Refusal
from workers.jobtypes.query import engine

SECRET = "the secret of a file"
Ask = Callable[[str], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table, and with a secret beside it in each form that might be read."""
    folder = tmp_path_factory.mktemp("query")
    (folder / "input.csv").write_text("name,amount,code,day\nAnna,120.50,007,2026-01-31\nBruno,-0.25,,\n")
    (folder / "secret.csv").write_text(f"a\n{SECRET}\n")
    (folder / "secret.json").write_text(f'[{{"a": "{SECRET}"}}]')
    pq.write_table(pa.table({"a": [SECRET]}), folder / "secret.parquet")
    with duckdb.connect(str(folder / "secret.db")) as other:
        other.execute(f"CREATE TABLE a AS SELECT '{SECRET}' AS a")
    return folder


@pytest.fixture(scope="module")
def canary() -> Iterator[socket.socket]:
    """What listens on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        made.settimeout(0)
        yield made


def asking(source: Path, own: str) -> Ask:
    connection, _ = engine.loaded(source, own)

    def ask(sql: str) -> list[dict[str, Any]]:
        rows = engine.result(connection, sql)
        return [row for batch in rows.batches for row in batch.to_pylist()]

    return ask


@pytest.fixture(scope="module")
def ask(place: Path) -> Ask:
    """Ask the engine over the table, as one query after another."""
    return asking(place / "input.csv", "csv")


# {p} is the folder, {port} the canary's.
ESCAPES = (
    "SELECT * FROM read_csv('{p}/secret.csv')", "SELECT * FROM '{p}/secret.csv'", "FROM '{p}/secret.parquet'",
    "SELECT * FROM read_csv_auto('{p}/*.csv')", "SELECT * FROM sniff_csv('{p}/secret.csv')",
    "SELECT * FROM read_text('{p}/secret.csv')", "SELECT * FROM read_blob('/etc/passwd')",
    "SELECT * FROM read_text('../../../../../../etc/passwd')", "SELECT * FROM read_text('/proc/self/environ')",
    "FROM read_text('spill/../README.md')", "FROM glob('spill/../*')", "FROM read_text('spill/./x/../../README.md')",
    "FROM read_text('file:spill/../README.md')", "FROM 'spill/../docs/examples/dovuti.csv'",
    "SELECT * FROM read_json('{p}/secret.json')", "SELECT * FROM read_ndjson_objects('{p}/secret.json')",
    "SELECT * FROM read_parquet('{p}/secret.parquet')", "SELECT * FROM parquet_metadata('{p}/secret.parquet')",
    "SELECT * FROM parquet_kv_metadata('{p}/secret.parquet')", "SELECT * FROM glob('{p}/*')",
    "SELECT * FROM query('FROM ''{p}/secret.csv''')", "SELECT * FROM query_table('{p}/secret.csv')",
    "SELECT (SELECT content FROM read_text('{p}/secret.csv'))",
    "WITH a AS MATERIALIZED (FROM read_text('{p}/secret.csv')) SELECT * FROM a",
    "SELECT * FROM read_csv('http://127.0.0.1:{port}/x')", "FROM 'http://127.0.0.1:{port}/x.parquet'",
    "FROM 'https://127.0.0.1:{port}/x.csv'", "FROM read_text('s3://127.0.0.1:{port}/x')",
    "FROM read_parquet('hf://datasets/a/b')", "FROM sqlite_scan('{p}/secret.db', 'a')",
    "FROM postgres_scan('host=127.0.0.1 port={port}', 'public', 'a')",
    "COPY input TO '{p}/out.csv'", "COPY (SELECT 1) TO '{p}/out.parquet'", "COPY input FROM '{p}/secret.csv'",
    "EXPORT DATABASE '{p}/out'", "IMPORT DATABASE '{p}'", "ATTACH '{p}/secret.db' AS s", "ATTACH '{p}/out.db'",
    "ATTACH 'http://127.0.0.1:{port}/x.db'", "DETACH memory", "USE system",
    "INSTALL httpfs", "INSTALL httpfs FROM 'http://127.0.0.1:{port}'", "LOAD httpfs", "LOAD '{p}/x.duckdb_extension'",
    "FORCE INSTALL spatial", "UPDATE EXTENSIONS", "FROM load_aws_credentials()",
    "PRAGMA database_list", "PRAGMA enable_profiling", "SET enable_external_access = true",
    "SET lock_configuration = false", "RESET lock_configuration", "SET GLOBAL memory_limit = '100GB'",
    "PRAGMA memory_limit = '100GB'", "SET VARIABLE a = 1", "SET log_query_path = '{p}/out.log'",
    "CALL enable_logging()", "SELECT * FROM enable_logging(storage = 'file', storage_path = '{p}/out')",
    "SELECT * FROM enable_profiling(save_location = '{p}/out')", "CALL pragma_version()",
    "SELECT getenv('HOME')", "SELECT getenv('PATH')",
    "CREATE SECRET (TYPE s3)", "CREATE TABLE a AS FROM input", "CREATE MACRO a() AS 1", "DROP TABLE input",
    "INSERT INTO input SELECT * FROM input", "DELETE FROM input", "UPDATE input SET name = 'x'", "TRUNCATE input",
    "ALTER TABLE input DROP name", "MERGE INTO input USING input AS i ON true WHEN MATCHED THEN DELETE",
    "BEGIN", "COMMIT", "CHECKPOINT", "VACUUM", "ANALYZE", "PREPARE a AS SELECT 1", "EXECUTE a", "EXPLAIN SELECT 1",
    "EXPLAIN ANALYZE SELECT * FROM '{p}/secret.csv'", "SELECT 1; SELECT 2", "SELECT 1; COPY input TO '{p}/out.csv'",
    "COPY input TO '{p}/out.csv'; SELECT 1", "PIVOT input ON name USING sum(amount)", "",
    ";", "-- nothing", "/* nothing */", "SELECT * FROM place", "SELECT * FROM pa", "SELECT * FROM engine",
    "SELECT * FROM incoming", "SELECT * FROM rows", "SELECT * FROM connection",
)  # fmt: skip


@pytest.mark.parametrize("sql", ESCAPES)
def test_a_query_reaches_nothing_but_its_table(
    ask: Ask, place: Path, canary: socket.socket, sql: str
) -> None:
    before = sorted(place.iterdir())
    with pytest.raises(Refusal) as refusal:
        ask(sql.format(p=place, port=canary.getsockname()[1]))
    assert refusal.value.code in ("query_refused", "query_failed")
    assert SECRET not in refusal.value.message
    assert sorted(place.iterdir()) == before
    with pytest.raises(BlockingIOError):
        canary.accept()
    assert ask("SELECT count(*) AS n FROM input") == [{"n": 2}]


@pytest.mark.parametrize("pattern", ["*", ".?/*", ".*/*", "[.][.]/*", "**/*", "%2e%2e/*", "?./*.md"])
def test_the_folder_that_it_spills_to_leads_nowhere_else(ask: Ask, pattern: str) -> None:
    assert ask(f"FROM glob('spill/{pattern}')") == []
    assert ask(f"FROM read_blob('spill/{pattern}')") == []


def test_what_is_refused_says_why(ask: Ask) -> None:
    for sql, words in (
        ("DROP TABLE input", "Only a SELECT is run, and this is DROP."),
        ("SELECT 1; SELECT 2", "One statement is run, and the text holds 2."),
        ("", "One statement is run, and the text holds none."),
    ):
        with pytest.raises(Refusal) as refusal:
            ask(sql)
        assert (refusal.value.code, refusal.value.message) == ("query_refused", words)
    with pytest.raises(Refusal, match="nome") as refusal:
        ask("SELECT nome FROM input")
    assert refusal.value.code == "query_failed"


def test_a_setting_that_is_read_tells_no_folder_of_anybody(ask: Ask) -> None:
    assert ask("FROM duckdb_secrets()") == []
    assert ask("FROM duckdb_settings() SELECT * WHERE value LIKE '%/root%' OR value LIKE '%/home%'") == []


def test_the_table_keeps_its_texts_numbers_and_holes(ask: Ask) -> None:
    assert ask("FROM input") == [
        {"name": "Anna", "amount": 120.5, "code": "007", "day": "2026-01-31"},
        {"name": "Bruno", "amount": -0.25, "code": None, "day": None},
    ]
    assert ask("SELECT sum(amount) AS s FROM input WHERE day::DATE >= DATE '2026-01-01'") == [{"s": 120.5}]
    assert [row["name"] for row in ask("WITH a AS (FROM input) SELECT name FROM a ORDER BY amount")] == [
        "Bruno",
        "Anna",
    ]
    assert ask("DESCRIBE input")[0]["column_name"] == "name"


def test_values_of_every_kind_come_out_exact(ask: Ask) -> None:
    (row,) = ask(
        "SELECT 9007199254740993::BIGINT AS big, 18446744073709551615::UBIGINT AS ubig, sum(1::BIGINT) AS huge,"
        " 12345678901234567890.12::DECIMAL(22, 2) AS dec, DATE '2026-01-31' AS day, TIME '10:11:12' AS hour,"
        " TIMESTAMPTZ '2026-01-31 12:00:00+02' AS moment, INTERVAL '1 month 2 days' AS span, [1, 2] AS list,"
        " {'a': 1} AS struct, MAP {'k': 1} AS map, 'x'::BLOB AS bytes, uuid() AS id, true AS yes, NULL AS nothing"
        " FROM range(3)"
    )
    assert len(str(row.pop("id"))) == 36
    assert row == {
        "big": 9007199254740993, "ubig": 2**64 - 1, "huge": 3, "dec": Decimal("12345678901234567890.12"),
        "day": date(2026, 1, 31), "hour": "10:11:12.000000", "moment": datetime(2026, 1, 31, 10, tzinfo=UTC),
        "span": "P1M2DT0S", "list": [1, 2], "struct": {"a": 1}, "map": [("k", 1)], "bytes": "eA==", "yes": True,
        "nothing": None,
    }  # fmt: skip


def test_columns_of_one_name_get_numbers_and_no_rows_keep_the_columns(ask: Ask) -> None:
    assert ask("SELECT 1 AS a, 2 AS a, 3 AS a") == [{"a": 1, "a_2": 2, "a_3": 3}]
    connection, _ = engine.loaded(Path(__file__).parents[2] / "docs/examples/dovuti.csv", "csv")
    rows = engine.result(connection, "SELECT notice_number, amount FROM input WHERE false")
    assert rows.schema.names == ["notice_number", "amount"]
    assert list(rows.batches) == []


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT repeat(name, 1000000000) FROM input", "query_too_large"),
        ("SELECT repeat('x', 10000000000)", "query_failed"),
        (f"SELECT {','.join(map(str, range(17_000)))}", "query_too_large"),
        (f"SELECT {'(' * 40_000}1{')' * 40_000}", "query_failed"),
        (f"SELECT {'1+' * 40_000}1", "query_failed"),
        ("SELECT unnest(range(10000000000))", "query_failed"),
        ('FROM test_all_types() SELECT "union"', "query_failed"),
    ],
)
def test_what_is_too_much_is_refused(ask: Ask, sql: str, code: str) -> None:
    with pytest.raises(Refusal) as refusal:
        ask(sql)
    assert refusal.value.code == code
    assert len(refusal.value.message) <= engine.LONGEST_MESSAGE + 1


@pytest.mark.parametrize(
    "content", ["a,A,a\n1,2,3\n", "select,from,order by\n1,2,3\n", '"a b","c""d","é"\n1,2,3\n']
)
def test_any_names_of_columns_can_be_loaded(tmp_path: Path, content: str) -> None:
    (tmp_path / "t.csv").write_text(content)
    (row,) = asking(tmp_path / "t.csv", "csv")("FROM input")
    assert list(row.values()) == [1, 2, 3]


@pytest.mark.parametrize(
    ("name", "content"), [("t.json", "[]"), ("t.csv", ""), ("t.json", "{}"), ("t.parquet", "x")]
)
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(Refusal) as refusal:
        engine.loaded(tmp_path / name, name.partition(".")[2])
    assert refusal.value.code == "no_table"
