"""docs/import_dovuti.md tells every code and column."""

import inspect
import re
from pathlib import Path

from workers.jobtypes import import_dovuti
from workers.jobtypes.dovuti import parse, rows

PAGE = (Path(__file__).parents[2] / "docs" / "import_dovuti.md").read_text(encoding="utf-8")


def test_every_column_has_its_rule() -> None:
    table = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    for column in rows.COLUMNS:
        assert any(f"`{column}`" in cell for cell in table)


def test_every_code_of_a_rejected_row_and_of_a_failed_job_is_told() -> None:
    source = inspect.getsource(rows)
    told = set(re.findall(r'Fault\("(\w+)"', source)) | {"bad_created_at", "bad_expire_at"}
    told |= {*parse.BROKEN, parse.DUPLICATE[0]}
    told |= set(re.findall(r'Refusal\(\s*"(\w+)"', inspect.getsource(parse)))
    told |= set(re.findall(r'JobFailed\(\s*"(\w+)"', inspect.getsource(import_dovuti)))
    assert len(told) > 20
    for code in told:
        assert f"`{code}`" in PAGE
