"""Settings: defaults, every fault at once, secrets from files, and the table in docs/settings.md."""

import re
from pathlib import Path

import pytest

from service.settings import DEFAULTS, REQUIRED_OUTSIDE_DEV, SECRETS, Settings, SettingsError

DOCS = Path(__file__).parents[2] / "docs" / "settings.md"
KEY = "k" * 20
LOGIN = {
    "OIDC_ISSUER": "https://login.example.org",
    "OIDC_AUDIENCE": "lavori",
    "OIDC_CLIENT_ID": "dashboard",
    "LAVORI_PUBLIC_URL": "https://lavori.example.org",
}


def faults(environ: dict[str, str], required: tuple[str, ...] = ()) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as raised:
        Settings.from_environ(environ, required)
    return raised.value.faults


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = Settings.from_environ({})
    assert (settings.host, settings.port) == ("127.0.0.1", 8080)
    assert settings.database_url is None
    assert settings.admin_key is None
    assert settings.data == Path.cwd() / ".lavori"
    assert settings.storage_url == (settings.data / "files").as_uri()
    assert (settings.lease_seconds, settings.sweep_seconds) == (15, 5)
    assert settings.worker_tags == ("*",)
    assert settings.max_attachment == 5 * 1024**3


def test_an_empty_value_means_the_same_as_none() -> None:
    assert Settings.from_environ(dict.fromkeys(DEFAULTS, "")) == Settings.from_environ({})


def test_files_on_disk_follow_the_data_folder() -> None:
    assert Settings.from_environ({"LAVORI_DATA": "/srv/a b"}).storage_url == "file:///srv/a%20b/files"


def test_files_may_lie_in_a_bucket() -> None:
    assert Settings.from_environ({"STORAGE_URL": "s3://bucket/a/b"}).storage_url == "s3://bucket/a/b"
    for wrong in ("s3://", "s3://Bucket/x", "s3://key:secret@bucket/x", "s3://bucket?x"):
        assert faults(environ={"STORAGE_URL": wrong})


def test_lists_keep_their_order_and_drop_empty_words() -> None:
    settings = Settings.from_environ(
        {
            "LAVORI_SECRET_KEYS": "newest, older,",
            "LAVORI_WORKER_TAGS": "gpu,!night",
            "JOB_TYPES": "acme.reports, acme.mail",
            "LAVORI_OUTBOUND_ALLOW": "Intranet.example:8443, [::1]:80",
        }
    )
    assert settings.secret_keys == ("newest", "older")
    assert settings.worker_tags == ("gpu", "!night")
    assert settings.job_types == ("acme.reports", "acme.mail")
    assert settings.outbound_allow == {("intranet.example", 8443), ("::1", 80)}


def test_all_faults_are_told_at_once_and_each_names_its_variable() -> None:
    environ = {
        "PORT": "80800",
        "DATABASE_URL": "mysql://db/x",
        "REDIS_URL": "redis://cache:port/0",
        "STORAGE_URL": "gs://bucket",
        "LAVORI_PUBLIC_URL": "lavori.example.org",
        "LAVORI_ADMIN_KEY": "short",
        "LAVORI_OUTBOUND_ALLOW": "intranet",
        "LAVORI_LEASE_SECONDS": "-1",
        "LAVORI_SWEEP_SECONDS": "nan",
        "LAVORI_CANCEL_GRACE_SECONDS": "soon",
        "LAVORI_DRAIN_SECONDS": "0",
        "LAVORI_INLINE_LIMIT": "-5",
        "LAVORI_MAX_JSON_BODY": "16MB",
        "LAVORI_WORKERS": "two",
        "LAVORI_WORKER_TAGS": "!",
        "LAVORI_API_PROCESSES": "0",
        "SMTP_URL": "mail.example.org",
        "OIDC_ISSUER": "https://login.example.org",
        "JOB_TYPES": "acme/reports.py",
        "LAVORI_LOG_LEVEL": "loud",
    }
    told = faults(environ)
    assert {fault.split()[0] for fault in told} == set(environ)
    assert len(told) == len(environ)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://lavori:se:cret@db/lavori",
        "postgresql://db1:5432,db2:5433/lavori?target_session_attrs=read-write",
        "postgresql:///lavori?host=/run/postgresql",
        "postgres://[::1]:5432/lavori",
    ],
)
def test_addresses_of_postgresql_are_taken(url: str) -> None:
    assert Settings.from_environ({"DATABASE_URL": url}).database_url == url


@pytest.mark.parametrize(
    "url", ["postgresql://", "postgresql://db:0/x", "postgresql://db:x/x", "db", "postgresql:///x"]
)
def test_a_bad_address_is_a_fault_that_does_not_repeat_the_password(url: str) -> None:
    (fault,) = faults({"DATABASE_URL": url.replace("://db", "://user:hush@db")})
    assert fault.startswith("DATABASE_URL ")
    assert "hush" not in fault


def test_a_trailing_slash_of_the_public_address_is_dropped() -> None:
    assert (
        Settings.from_environ({"LAVORI_PUBLIC_URL": "https://x.org/jobs/"}).public_url == "https://x.org/jobs"
    )


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_a_secret_is_read_from_its_file(name: str, tmp_path: Path) -> None:
    value = {
        "DATABASE_URL": "postgresql://u:hush@db/x",
        "REDIS_URL": "redis://:hush@cache/0",
        "SMTP_URL": "smtp://u:hush@mail",
    }.get(name, KEY)
    (tmp_path / "secret").write_text(f"{value}\n", encoding="utf-8")
    more = LOGIN if name == "OIDC_CLIENT_SECRET" else {}
    from_file = Settings.from_environ({**more, f"{name}_FILE": str(tmp_path / "secret")})
    assert from_file == Settings.from_environ({**more, name: value})
    assert from_file != Settings.from_environ(more)


def test_a_secret_given_twice_or_in_an_unreadable_file_is_a_fault(tmp_path: Path) -> None:
    path = str(tmp_path / "missing")
    assert faults({"LAVORI_ADMIN_KEY_FILE": path})[0].startswith("LAVORI_ADMIN_KEY_FILE names")
    assert faults({"LAVORI_ADMIN_KEY": KEY, "LAVORI_ADMIN_KEY_FILE": path})[0].startswith(
        "LAVORI_ADMIN_KEY and"
    )


def test_what_is_required_is_named() -> None:
    assert faults({}, REQUIRED_OUTSIDE_DEV) == tuple(f"{name} must be set." for name in REQUIRED_OUTSIDE_DEV)


def test_secrets_do_not_show_when_settings_are_printed() -> None:
    environ = {
        "LAVORI_ADMIN_KEY": KEY,
        "LAVORI_SECRET_KEYS": "hush",
        "DATABASE_URL": "postgresql://u:hush@db/x",
    }
    shown = repr(Settings.from_environ(environ))
    assert KEY not in shown
    assert "hush" not in shown


def test_the_table_in_the_docs_lists_every_variable_with_its_default() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| .* \| (?:`(.*)` )?\|$", DOCS.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    assert dict(rows) == dict(DEFAULTS)


def test_spans_go_to_the_endpoint_unless_it_is_switched_off() -> None:
    of_all = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}
    assert Settings.from_environ(of_all).otlp_endpoint == "http://collector:4318"
    both = of_all | {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://traces.example.org/v1/traces"}
    assert Settings.from_environ(both).otlp_endpoint == both["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"]
    grpc = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    for off in ({"OTEL_SDK_DISABLED": "TRUE"}, {"OTEL_TRACES_EXPORTER": "none"}):
        assert Settings.from_environ(both | off | grpc).otlp_endpoint is None
    assert Settings.from_environ(grpc).otlp_endpoint is None
    for wrong in (
        grpc,
        {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"},
        {"OTEL_TRACES_EXPORTER": "zipkin"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"},
    ):
        (fault,) = faults(of_all | wrong)
        assert fault.startswith(next(iter(wrong)))


def test_an_issuer_is_trusted_over_http_only_where_its_host_is_allowed() -> None:
    own = {"OIDC_ISSUER": "http://login.intranet:8080/realm", "OIDC_AUDIENCE": "lavori"}
    with pytest.raises(SettingsError, match="OIDC_ISSUER must begin with https"):
        Settings.from_environ(own)
    settings = Settings.from_environ({**own, "LAVORI_OUTBOUND_ALLOW": "login.intranet:8080"})
    assert settings.oidc_issuer == own["OIDC_ISSUER"]
    names = (settings.oidc_tenant_claim, settings.oidc_principal_claim, settings.oidc_roles_claim)
    assert names == ("tenant", "sub", "roles")


def test_people_log_in_at_the_issuer_only_when_all_of_it_is_set() -> None:
    whole = LOGIN | {"OIDC_CLIENT_SECRET": "hush-hush-hush"}
    settings = Settings.from_environ(whole)
    assert (settings.oidc_client_id, settings.oidc_scope) == ("dashboard", "openid profile email")
    assert "hush" not in repr(settings)
    assert Settings.from_environ(whole | {"OIDC_CLIENT_SECRET": ""}).oidc_client_secret is None
    for missing in ("LAVORI_PUBLIC_URL", "OIDC_CLIENT_ID"):
        (fault,) = faults({name: value for name, value in whole.items() if name != missing})
        assert f"needs {missing} to be set too" in fault
    (fault,) = faults({"OIDC_CLIENT_ID": "dashboard"})
    assert fault == "OIDC_CLIENT_ID needs OIDC_ISSUER and LAVORI_PUBLIC_URL to be set too."
    (fault,) = faults(whole | {"OIDC_SCOPE": "profile email"})
    assert fault == "OIDC_SCOPE must hold the word openid."
    (fault,) = faults(whole | {"OIDC_CLIENT_SECRET": "change-me"})
    assert fault.startswith("OIDC_CLIENT_SECRET is still that of an example")


@pytest.mark.parametrize(
    "environ",
    [
        {"HOST": "0.0.0.0"},
        {"HOST": "::"},
        {"HOST": "192.168.1.5"},
        {"HOST": "lavori.example.org"},
        {"HOST": "0.0.0.0", "LAVORI_PUBLIC_URL": "http://lavori.example.org"},
    ],
)
def test_an_open_port_needs_the_name_of_what_ends_tls(environ: dict[str, str]) -> None:
    (fault,) = faults(environ)
    assert fault.startswith("HOST is ")
    assert "LAVORI_PUBLIC_URL" in fault


@pytest.mark.parametrize(
    "environ",
    [
        {"HOST": "127.0.0.2"},
        {"HOST": "::1"},
        {"HOST": "localhost"},
        {"HOST": "0.0.0.0", "LAVORI_PUBLIC_URL": "https://lavori.example.org"},
        {"HOST": "0.0.0.0", "LAVORI_PUBLIC_URL": "http://localhost:8080"},
    ],
)
def test_a_port_of_this_machine_or_behind_tls_is_fine(environ: dict[str, str]) -> None:
    assert Settings.from_environ(environ).host == environ["HOST"]


@pytest.mark.parametrize("name", ["LAVORI_SECRET_KEYS", "LAVORI_ADMIN_KEY", "LAVORI_METRICS_TOKEN"])
def test_the_secret_of_an_example_is_refused(name: str) -> None:
    for text in (
        "change-me-change-me-change-me-32-bytes",
        "CHANGEME" * 5,
        "a-key-to-change_me-please-it-is-long",
    ):
        (fault,) = faults({name: text})
        assert fault.startswith(f"{name} is still that of an example")
        assert text not in fault
