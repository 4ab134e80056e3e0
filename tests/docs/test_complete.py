"""What is promised by name is in the docs, and nothing else: events, job types, calls of dialects, exit codes, alerts.

Settings, native calls, errors, metrics and log actions have such a test beside their own tests.
"""

import ast
import re
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

import service.app
import workers.main
from service.app import DIALECTS
from service.cli.client.ending import Code
from service.dialects.contract import Dialect
from service.jobs.jobtype import load_job_types

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def rows(text: str, heading: str) -> list[str]:
    """The first cells of the table below this head."""
    table = text.partition(f"| {heading} |")[2].partition("\n\n")[0]
    return [line.split("|")[1].strip() for line in table.splitlines()[2:]]


def test_every_kind_of_event_is_told_and_no_other() -> None:
    sent = set()
    for path in (ROOT / "service").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id="event"), args=[name, *_]):
                    assert isinstance(name, ast.Constant), f"{path}:{node.lineno} names no event"
                    sent.add(f"`{name.value!s}`")
    assert set(rows(page("cookbook.md"), "event")) == sent


def test_every_job_type_is_told_and_no_other() -> None:
    cells = rows(page("job-types.md"), "code")
    assert sorted(re.findall(r"`(\w+)`", " ".join(cells))) == sorted(load_job_types())
    for code, leads_to in re.findall(r"\[`(\w+)`\]\((\S+)\)", " ".join(cells)):
        assert page(leads_to).startswith(f"# {code}"), leads_to


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda one: one.name)
def test_every_call_of_a_dialect_is_told_and_no_other(dialect: Dialect) -> None:
    text = page(f"dialects/{dialect.name}.md").partition("| works |")[2].partition("\n\n")[0]
    below = re.search(r"^ call, below `(.*?)`", text)
    prefix = below[1] if below else ""
    told = {
        re.sub(r"{\w+}", "{}", f"{method} {prefix}{path.partition('?')[0]}").replace("/lang/", "/")
        for methods, path in re.findall(r"`((?:[A-Z]+(?:`, `)?)+) (/[^`]*)`", text)
        for method in methods.split("`, `")
    }
    there = {
        f"{method.upper()} {re.sub('{.*?}', '{}', path)}"
        for path, methods in dialect.document.made["paths"].items()
        for method in methods
        if method in {"get", "post", "put", "patch", "delete"}
    }
    assert told == there


def test_every_exit_code_is_told_and_no_other() -> None:
    assert [int(code) for code in rows(page("cli.md"), "exit code")] == list(Code)


def test_every_alert_has_a_section_that_says_what_to_do() -> None:
    rules = yaml.safe_load((ROOT / "deploy/prometheus/rules.yaml").read_text(encoding="utf-8"))
    alerts = [rule["alert"] for group in rules["groups"] for rule in group["rules"]]
    sections = re.findall(
        r"^### (Lavori\w+)\n\n(.*?)(?=\n#|\Z)", page("operations.md"), re.DOTALL | re.MULTILINE
    )
    assert [name for name, _ in sections] == alerts
    for name, text in sections:
        assert "**Means**" in text, name
        assert "**Do**" in text, name


def test_the_connections_that_an_operator_has_to_provide_are_counted() -> None:
    api, worker = service.app.POOL_SIZE, workers.main.POOL_SIZE + 1  # one for its leases
    text = page("operations.md")
    assert f"| {api} connections to PostgreSQL each, at most |" in text
    assert f"| {worker} connections to PostgreSQL each, at most: a pool of {worker - 1}, and one " in text
    most = [
        int(found[1])
        for name, bound in (("api", "maxReplicas"), ("keda", "maxReplicaCount"))
        if (found := re.search(rf"{bound}: (\d+)", (ROOT / f"deploy/kubernetes/{name}.yaml").read_text()))
    ]
    assert f"two and four are {2 * api + 4 * worker}." in text
    assert f"which is {most[0] * api + most[1] * worker}:" in text


def test_every_page_is_led_to_from_another_and_every_link_leads_somewhere() -> None:
    pages = [ROOT / "README.md", *DOCS.rglob("*.md")]
    led_to = set()
    for path in pages:
        for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
            if re.match(r"https?:", link):
                continue
            target, _, anchor = link.partition("#")
            there = (path.parent / target).resolve() if target else path
            assert there.exists(), f"{path.name}: {link}"
            if anchor:
                headings = re.findall(r"^#+ (.*)$", there.read_text(encoding="utf-8"), re.MULTILINE)
                assert anchor in {slug(one) for one in headings}, f"{path.name}: {link}"
            if there != path:
                led_to.add(there)
    alone = {path.name for path in pages if path not in led_to and path.parent.name != "decisions"}
    assert alone == {"README.md"}


def slug(heading: str) -> str:
    """The anchor that GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
