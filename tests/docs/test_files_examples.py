"""The examples of docs/files.md, run as they stand."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import openpyxl


async def test_the_examples_about_files_work(run_page: Callable[..., Awaitable[str]], tmp_path: Path) -> None:
    said = await run_page("files.md", working=True)
    assert "notice_number" in said  # the range of the attachment
    assert '"available_formats":["csv","xlsx","json","parquet"]' in said
    assert '"rejection"' in said
    assert "301000000000000002" in (tmp_path / "rejected.csv").read_text()
    sheet = openpyxl.load_workbook(tmp_path / "rejected.xlsx").worksheets[0]
    assert sheet.max_row == 2
    assert '"max_downloads":1' in said
    assert '"code":"gone"' in said
