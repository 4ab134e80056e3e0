"""deploy/: files that are what their readers take, and that say nothing that Lavori does not know."""

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import asyncpg
import kubernetes_validate  # type: ignore[import-untyped]  # it carries no types
import pytest
import yaml  # type: ignore[import-untyped]
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer
from prometheus_client.parser import text_string_to_metric_families

from service.app import create_app
from service.cli.serve import HANDLER_SECONDS
from service.jobs.jobtype import load_job_types
from service.settings import DEFAULTS, Settings, SettingsError
from service.web.connection_draining import DRAINING_SECONDS

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
CUSTOM = {"ScaledObject", "TriggerAuthentication"}  # of KEDA, which Kubernetes itself does not know
AWS = re.compile(r"AWS_(ENDPOINT_URL|ACCESS_KEY_ID|SECRET_ACCESS_KEY|REGION)")


def manifests() -> list[Any]:
    """Every object of the manifests."""
    return [
        one
        for path in sorted((DEPLOY / "kubernetes").glob("*.yaml"))
        for one in yaml.safe_load_all(path.read_text())
    ]


def pods() -> Iterator[tuple[str, Any, Any]]:
    """Name, pod and container of each thing that runs."""
    for one in manifests():
        if one["kind"] in ("Deployment", "Job"):
            pod = one["spec"]["template"]["spec"]
            (container,) = pod["containers"]
            yield one["metadata"]["name"], pod, container


def test_the_manifests_are_what_kubernetes_takes() -> None:
    for one in manifests():
        if one["kind"] not in CUSTOM:
            kubernetes_validate.validate(one, "1.31", strict=True)
    kinds = {one["kind"] for one in manifests()}
    assert kinds >= CUSTOM | {
        "Deployment", "Service", "PodDisruptionBudget", "HorizontalPodAutoscaler", "NetworkPolicy", "Job", "ConfigMap",
    }  # fmt: skip


def test_nothing_runs_as_root_or_writes_to_its_image() -> None:
    assert {name for name, _, _ in pods()} == {"lavori-api", "lavori-worker", "lavori-migrate"}
    for _, pod, container in pods():
        assert pod["securityContext"]["runAsNonRoot"] is True
        locked = container["securityContext"]
        assert locked["readOnlyRootFilesystem"] is True
        assert locked["allowPrivilegeEscalation"] is False
        assert locked["capabilities"] == {"drop": ["ALL"]}
        assert container["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]
        assert "memory" in container["resources"]["limits"]


def test_what_is_told_to_stop_has_the_time_that_it_takes() -> None:
    config = next(one["data"] for one in manifests() if one["kind"] == "ConfigMap")
    times = {name: pod.get("terminationGracePeriodSeconds") for name, pod, _ in pods()}
    (api,) = (container for name, _, container in pods() if name == "lavori-api")
    leaving = api["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert times["lavori-api"] > leaving + DRAINING_SECONDS + HANDLER_SECONDS
    assert times["lavori-worker"] > float(config["LAVORI_DRAIN_SECONDS"])
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    assert int(compose["api-1"]["stop_grace_period"].removesuffix("s")) > DRAINING_SECONDS + HANDLER_SECONDS
    assert int(compose["worker"]["stop_grace_period"].removesuffix("s")) > float(
        DEFAULTS["LAVORI_DRAIN_SECONDS"]
    )


def test_every_setting_is_one_of_lavori() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    named = set(compose["services"]["api-1"]["environment"])
    named |= {key for one in manifests() if one["kind"] == "ConfigMap" for key in one["data"]}
    named |= {one["name"] for _, _, container in pods() for one in container.get("env", ())}
    image = re.search(r"^ENV (.*?[^\\])\n", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE | re.DOTALL)
    assert image is not None
    named |= set(re.findall(r"([A-Z_]+)=", image[1])) - {
        "PATH",
        "PYTHONUNBUFFERED",
        "PYTHONDONTWRITEBYTECODE",
    }
    assert {one for one in named if not AWS.fullmatch(one)} <= DEFAULTS.keys()


def test_the_secrets_of_the_example_are_refused() -> None:
    lines = (DEPLOY / "example.env").read_text().splitlines()
    environ = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    with pytest.raises(SettingsError) as told:
        Settings.from_environ(environ)
    assert len(told.value.faults) == 2
    compose = (DEPLOY / "compose.yaml").read_text()
    assert set(re.findall(r"\$\{(\w+)", compose)) == environ.keys()


def test_compose_starts_what_it_waits_for() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    for name, one in services.items():
        for other, condition in one.get("depends_on", {}).items():
            assert other in services, name
            if condition["condition"] == "service_healthy":
                assert "healthcheck" in services[other], (name, other)
        for volume in one.get("volumes", ()):
            source = volume.partition(":")[0]
            assert not source.startswith("./") or source == "./tls" or (DEPLOY / source).exists(), volume


def test_the_image_copies_what_is_there_and_not_ignored() -> None:
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    lines = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    let_in = [line[1:] for line in lines if line.startswith("!")]
    for source in " ".join(copied).split():
        assert (ROOT / source).exists(), source
        assert any(fnmatch(source, one) for one in let_in), source
    assert "USER 10001" in (DEPLOY / "Dockerfile").read_text()


async def test_the_queries_of_the_scaler_are_the_schemas(pool: asyncpg.Pool) -> None:
    (scaled,) = (one for one in manifests() if one["kind"] == "ScaledObject")
    (trigger,) = scaled["spec"]["triggers"]
    assert trigger["type"] == "postgresql"
    assert await pool.fetchval(trigger["metadata"]["query"]) == 0
    assert (
        await pool.fetchval(trigger["metadata"]["query"].replace("worker_tag IS NULL", "worker_tag = 'gpu'"))
        == 0
    )
    auths = {one["metadata"]["name"] for one in manifests() if one["kind"] == "TriggerAuthentication"}
    assert trigger["authenticationRef"]["name"] in auths
    deployments = {one["metadata"]["name"] for one in manifests() if one["kind"] == "Deployment"}
    assert scaled["spec"]["scaleTargetRef"]["name"] in deployments


@pytest.fixture
async def scraped(database_url: str, redis_url: str, tmp_path: Path) -> dict[str, set[str]]:
    """The samples of a scrape of a running service, each with the labels that it may have."""
    settings = Settings.from_environ(
        {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "LAVORI_DATA": str(tmp_path),
            "LAVORI_SECRET_KEYS": "a-secret-key-for-the-tests-of-32-bytes",
        }
    )
    async with (
        TestServer(create_app(settings, load_job_types())) as server,
        ClientSession() as session,
        session.get(server.make_url("/metrics")) as response,
    ):
        text = await response.text()
    documented = (ROOT / "docs/metrics.md").read_text()
    labels = {
        name: set(re.findall(r"`(\w+)`", told))
        for name, told in re.findall(r"^\| `(\w+)` \| \w+ \| (.*?) \|", documented, re.MULTILINE)
    }
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        name = family.name + ("_total" if family.type == "counter" else "")
        endings = ("_bucket", "_count", "_sum") if family.type == "histogram" else ("",)
        for ending in endings:
            found[name + ending] = labels[name] | ({"le"} if ending == "_bucket" else set())
    return found


def expressions() -> Iterator[str]:
    """Every query of the dashboard and of the alerts."""
    for panel in json.loads((DEPLOY / "grafana/lavori.json").read_text())["panels"]:
        for target in panel["targets"]:
            yield target["expr"]
    for group in yaml.safe_load((DEPLOY / "prometheus/rules.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["expr"]


WORDS = {
    "sum", "max", "count", "by", "without", "rate", "increase", "absent", "histogram_quantile", "instance", "job", "le",
}  # fmt: skip


async def test_every_metric_of_dashboard_and_alerts_is_in_a_scrape(scraped: dict[str, set[str]]) -> None:
    for expression in expressions():
        bare = re.sub(r"\[[^]]*\]|\"[^\"]*\"", "", expression)
        words = set(re.findall(r"[a-z_]\w+", bare)) - WORDS
        metrics = words & scraped.keys()
        assert metrics, expression
        labels = set().union(*(scraped[one] for one in metrics))
        assert words - metrics <= labels, expression
    used = " ".join(expressions())
    names = {re.sub(r"_(bucket|count|sum)$", "", one) for one in scraped}
    assert {one for one in names if one not in used} == set()


def test_the_dashboard_has_each_panel_once() -> None:
    panels = json.loads((DEPLOY / "grafana/lavori.json").read_text())["panels"]
    places = {(one["gridPos"]["x"], one["gridPos"]["y"]) for one in panels}
    assert (
        len(places)
        == len(panels)
        == len({one["id"] for one in panels})
        == len({one["title"] for one in panels})
    )
