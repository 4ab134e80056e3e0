"""What cannot be loaded as a job type is told in one sentence that names the culprit."""

import sys
from pathlib import Path

import pytest

from installing import pretend_installed
from service.jobs.jobtype import JobTypesError, load_job_types
from service.jobs.types import shown_types

TYPE = """
from marshmallow import Schema
from service.jobs.jobtype import job_type

@job_type({code!r}, params=Schema{facts})
async def one(job):
    "Do nothing."
"""
ODD_EXAMPLE = ", example={'a': object()}"
UNWRITABLE = "TypeError: Type is not JSON serializable: object"
ECHO = "the package lavori (entry point echo = workers.jobtypes.echo:echo)"
ORIGIN = "the package acme-jobs (entry point one = acme_jobs:one)"


def told(folder: Path, monkeypatch: pytest.MonkeyPatch, modules: tuple[str, ...] = ()) -> str:
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "acme_jobs", raising=False)
    with pytest.raises(JobTypesError) as caught:
        shown_types(load_job_types(modules))
    sys.modules.pop("acme_jobs", None)
    return str(caught.value)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("\nimport no_such", f"{ORIGIN} cannot be loaded: ModuleNotFoundError: No module named 'no_such' (@, line 2)"),
        ("1 / 0", f"{ORIGIN} cannot be loaded: ZeroDivisionError: division by zero (@, line 1)"),
        ("raise OSError('a\\nb')", f"{ORIGIN} cannot be loaded: OSError: a b (@, line 1)"),
        ("one = 5", f"{ORIGIN} is no job type: it is of the class int"),
        (
            TYPE.format(code="echo", facts=""),
            f"two job types have the code echo: that of {ORIGIN} and that of {ECHO}",
        ),
        (
            TYPE.format(code="a/b", facts=""),
            "the job type 'a/b' has a code that is not [A-Za-z0-9][A-Za-z0-9_.-]{0,63}",
        ),
        (
            TYPE.format(code="odd", facts=ODD_EXAMPLE),
            f"the params or the example of the job type odd cannot be described: {UNWRITABLE}",
        ),
    ],
)  # fmt: skip
def test_a_broken_package_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, sentence: str
) -> None:
    pretend_installed(tmp_path, source)
    said = told(tmp_path, monkeypatch).replace(str(tmp_path / "acme_jobs.py"), "@")
    assert said == sentence


def test_so_is_one_with_broken_syntax_or_without_what_its_entry_point_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_installed(tmp_path, "def one(:")
    assert "acme_jobs:one) cannot be loaded: SyntaxError: " in told(tmp_path, monkeypatch)
    (tmp_path / "acme_jobs.py").write_text("")
    assert "cannot be loaded: AttributeError: module 'acme_jobs' has no" in told(tmp_path, monkeypatch)


def test_a_module_of_the_settings_is_told_so_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = told(tmp_path, monkeypatch, ("no_such_module",))
    assert said.startswith("the module no_such_module of JOB_TYPES cannot be loaded: ModuleNotFoundError: ")
    (tmp_path / "acme_jobs.py").write_text(TYPE.format(code="sleep", facts=""))
    said = told(tmp_path, monkeypatch, ("acme_jobs",))
    assert said.endswith("and that of the module acme_jobs of JOB_TYPES")


def test_a_type_that_is_named_twice_is_loaded_once() -> None:
    assert set(load_job_types(("workers.jobtypes.echo",))) == set(load_job_types())
