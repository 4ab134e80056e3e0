"""The settings: read from an environment once, at the front door, with every fault told at once.

docs/settings.md says what each variable means; a test keeps that table and DEFAULTS equal.
"""

import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Self
from urllib.parse import SplitResult, unquote, urlsplit

# Every variable with its default as one would write it; an empty value means the same as none.
DEFAULTS: Mapping[str, str] = {
    "HOST": "127.0.0.1",
    "PORT": "8080",
    "DATABASE_URL": "",
    "REDIS_URL": "",
    "LAVORI_DATA": ".lavori",
    "STORAGE_URL": "file://$LAVORI_DATA/files",
    "LAVORI_PUBLIC_URL": "",
    "LAVORI_SECRET_KEYS": "",
    "LAVORI_ADMIN_KEY": "",
    "LAVORI_OUTBOUND_ALLOW": "",
    "LAVORI_LEASE_SECONDS": "15",
    "LAVORI_SWEEP_SECONDS": "5",
    "LAVORI_CANCEL_GRACE_SECONDS": "10",
    "LAVORI_DRAIN_SECONDS": "30",
    "LAVORI_NOTICE_RETRY_SECONDS": "5",
    "LAVORI_INLINE_LIMIT": "65536",
    "LAVORI_MAX_JSON_BODY": "16777216",
    "LAVORI_MAX_ATTACHMENT": "5368709120",
    "LAVORI_WORKERS": "1",
    "LAVORI_WORKER_TAGS": "*",
    "LAVORI_WORKER_CONCURRENCY": "100",
    "LAVORI_API_PROCESSES": "1",
    "SMTP_URL": "",
    "MAIL_FROM": "",
    "MAIL_LANGUAGE": "en",
    "OIDC_ISSUER": "",
    "OIDC_AUDIENCE": "",
    "OIDC_CLIENT_ID": "",
    "OIDC_CLIENT_SECRET": "",
    "OIDC_SCOPE": "openid profile email",
    "OIDC_TENANT_CLAIM": "tenant",
    "OIDC_PRINCIPAL_CLAIM": "sub",
    "OIDC_ROLES_CLAIM": "roles",
    "JOB_TYPES": "",
    "LAVORI_DIALECTS": "*",
    "LAVORI_METRICS_TOKEN": "",
    "LAVORI_LOG_LEVEL": "info",
    "LAVORI_LOG_FORMAT": "auto",
    # As OpenTelemetry names them; what else it knows, its own library reads.
    "OTEL_EXPORTER_OTLP_ENDPOINT": "",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "",
    "OTEL_TRACES_EXPORTER": "otlp",
    "OTEL_SDK_DISABLED": "false",
}

# These may come from a file instead (a container's secret): NAME_FILE=/run/secrets/name.
SECRETS = frozenset(
    {
        "DATABASE_URL",
        "REDIS_URL",
        "LAVORI_SECRET_KEYS",
        "LAVORI_ADMIN_KEY",
        "SMTP_URL",
        "OIDC_CLIENT_SECRET",
        "LAVORI_METRICS_TOKEN",
    }
)

# What `serve` and `worker` cannot do without; `dev` makes its own.
REQUIRED_OUTSIDE_DEV = ("DATABASE_URL", "REDIS_URL", "LAVORI_SECRET_KEYS")

ADMIN_KEY_LENGTH = 20
TAG = re.compile(r"\*|!?[^\s!*]+")
MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
LARGEST_PORT = 65535
S3_URL = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/([^\s?#]*))?", re.ASCII)
STORAGE_URLS = "file:// and the absolute path of a folder, or s3://bucket/prefix"
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("auto", "json", "text")
LANGUAGES = ("en", "it")
EXAMPLE = re.compile(r"change[-_]?me", re.IGNORECASE)
MAILBOX = re.compile(r"(?:[^<>@\x00-\x1f]*<)?[^\s<>@]+@[^\s<>@]+>?", re.ASCII)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, seen from itself alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class SettingsError(Exception):
    """The environment holds settings that cannot be used."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        """Keep the faults: one sentence each, which begins with the variable's name."""
        super().__init__("; ".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, checked. Times are in seconds, sizes in bytes; None or () means not set."""

    host: str
    port: int
    database_url: str | None = field(repr=False)
    redis_url: str | None = field(repr=False)
    data: Path
    storage_url: str
    public_url: str | None
    secret_keys: tuple[str, ...] = field(repr=False)
    admin_key: str | None = field(repr=False)
    outbound_allow: frozenset[tuple[str, int]]
    lease_seconds: float
    sweep_seconds: float
    cancel_grace_seconds: float
    drain_seconds: float
    notice_retry_seconds: float
    inline_limit: int
    max_json_body: int
    max_attachment: int
    workers: int
    worker_tags: tuple[str, ...]
    worker_concurrency: int
    api_processes: int
    smtp_url: str | None = field(repr=False)
    mail_from: str | None
    mail_language: str
    oidc_issuer: str | None
    oidc_audience: str | None
    oidc_client_id: str | None
    oidc_client_secret: str | None = field(repr=False)
    oidc_scope: str
    oidc_tenant_claim: str
    oidc_principal_claim: str
    oidc_roles_claim: str
    job_types: tuple[str, ...]
    dialects: tuple[str, ...]
    metrics_token: str | None = field(repr=False)
    log_level: str
    log_format: str
    otlp_endpoint: str | None

    @property
    def base_url(self) -> str:
        """The address of this service in what is told outside of a request: its links in notices."""
        return self.public_url or f"http://{self.host}:{self.port}"

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], required: Collection[str] = ()) -> Self:
        """Check every variable; those in `required` must be set. Raises SettingsError with all faults."""
        read = _Reader(environ)
        data = Path(read.text("LAVORI_DATA")).expanduser().absolute()
        settings = cls(
            host=read.text("HOST"),
            port=read.integer("PORT", 1, LARGEST_PORT),
            database_url=read.server("DATABASE_URL", ("postgresql", "postgres")),
            redis_url=read.server("REDIS_URL", ("redis", "rediss", "unix")),
            data=data,
            storage_url=read.storage("STORAGE_URL", data),
            public_url=read.web_address("LAVORI_PUBLIC_URL"),
            secret_keys=read.words("LAVORI_SECRET_KEYS"),
            admin_key=read.admin_key("LAVORI_ADMIN_KEY"),
            outbound_allow=frozenset(read.pairs("LAVORI_OUTBOUND_ALLOW")),
            lease_seconds=read.seconds("LAVORI_LEASE_SECONDS"),
            sweep_seconds=read.seconds("LAVORI_SWEEP_SECONDS"),
            cancel_grace_seconds=read.seconds("LAVORI_CANCEL_GRACE_SECONDS"),
            drain_seconds=read.seconds("LAVORI_DRAIN_SECONDS"),
            notice_retry_seconds=read.seconds("LAVORI_NOTICE_RETRY_SECONDS"),
            inline_limit=read.integer("LAVORI_INLINE_LIMIT", 0),
            max_json_body=read.integer("LAVORI_MAX_JSON_BODY", 1),
            max_attachment=read.integer("LAVORI_MAX_ATTACHMENT", 1),
            workers=read.integer("LAVORI_WORKERS", 0),
            worker_tags=read.words("LAVORI_WORKER_TAGS", TAG, "`*`, a tag, or `!tag`"),
            worker_concurrency=read.integer("LAVORI_WORKER_CONCURRENCY", 1),
            api_processes=read.integer("LAVORI_API_PROCESSES", 1),
            smtp_url=read.mail_server("SMTP_URL"),
            mail_from=read.mailbox("MAIL_FROM"),
            mail_language=read.one_of("MAIL_LANGUAGE", LANGUAGES),
            oidc_issuer=read.web_address("OIDC_ISSUER"),
            oidc_audience=read.text("OIDC_AUDIENCE") or None,
            oidc_client_id=read.text("OIDC_CLIENT_ID") or None,
            oidc_client_secret=read.text("OIDC_CLIENT_SECRET") or None,
            oidc_scope=read.scope("OIDC_SCOPE"),
            oidc_tenant_claim=read.text("OIDC_TENANT_CLAIM"),
            oidc_principal_claim=read.text("OIDC_PRINCIPAL_CLAIM"),
            oidc_roles_claim=read.text("OIDC_ROLES_CLAIM"),
            job_types=read.words("JOB_TYPES", MODULE, "a module's dotted name"),
            dialects=read.words("LAVORI_DIALECTS"),
            metrics_token=read.text("LAVORI_METRICS_TOKEN") or None,
            log_level=read.one_of("LAVORI_LOG_LEVEL", LOG_LEVELS),
            log_format=read.one_of("LAVORI_LOG_FORMAT", LOG_FORMATS),
            otlp_endpoint=read.otlp_endpoint(),
        )
        read.together("OIDC_ISSUER", "OIDC_AUDIENCE")
        read.needs("OIDC_CLIENT_ID", "OIDC_ISSUER", "LAVORI_PUBLIC_URL")
        read.needs("OIDC_CLIENT_SECRET", "OIDC_CLIENT_ID")
        read.encrypted("OIDC_ISSUER", settings.outbound_allow)
        read.exposed(settings.host, settings.public_url)
        for name in ("LAVORI_SECRET_KEYS", "LAVORI_ADMIN_KEY", "LAVORI_METRICS_TOKEN", "OIDC_CLIENT_SECRET"):
            read.own(name)
        read.required(required)
        if read.faults:
            raise SettingsError(tuple(read.faults))
        return settings


class _Reader:
    """Reads variables as what they should be; collects faults instead of raising, so that all are told."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._texts: dict[str, str] = {}
        self.faults: list[str] = []

    def text(self, name: str) -> str:
        if name not in self._texts:
            self._texts[name] = (self._given(name) or DEFAULTS[name]).strip()
        return self._texts[name]

    def _given(self, name: str) -> str:
        value = self._environ.get(name, "").strip()
        path = self._environ.get(f"{name}_FILE", "") if name in SECRETS else ""
        if not path:
            return value
        if value:
            self.faults.append(f"{name} and {name}_FILE are both set: keep one of them.")
            return value
        try:
            return Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            self.faults.append(f"{name}_FILE names {path!r}, which cannot be read.")
            return ""

    def words(self, name: str, pattern: re.Pattern[str] | None = None, shape: str = "") -> tuple[str, ...]:
        words = tuple(word.strip() for word in self.text(name).split(",") if word.strip())
        for word in words:
            if pattern and not pattern.fullmatch(word):
                self.faults.append(f"{name} holds {word!r}, which is not {shape}.")
        return words

    def integer(self, name: str, smallest: int, largest: int | None = None) -> int:
        text = self.text(name)
        number = int(text) if re.fullmatch(r"[+-]?[0-9]{1,18}", text) else None
        if number is None or number < smallest or (largest is not None and number > largest):
            span = f"of {smallest} or more" if largest is None else f"from {smallest} to {largest}"
            self.faults.append(f"{name} must be a whole number {span}, not {text!r}.")
            return smallest
        return number

    def seconds(self, name: str) -> float:
        text = self.text(name)
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and number > 0):
            self.faults.append(f"{name} must be a number of seconds above 0, not {text!r}.")
        return number

    def one_of(self, name: str, words: tuple[str, ...]) -> str:
        word = self.text(name).lower()
        if word not in words:
            self.faults.append(f"{name} must be one of {', '.join(words)}, not {word!r}.")
        return word

    def server(self, name: str, schemes: tuple[str, ...]) -> str | None:
        """Check the address of a server; it may hold a password, so faults do not repeat it."""
        url = self.text(name)
        if not url:
            return None
        scheme, _, rest = url.partition("://")
        if scheme not in schemes or not rest:
            self.faults.append(f"{name} must begin with {' or '.join(f'{word}://' for word in schemes)}.")
            return url
        hosts = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
        # PostgreSQL's addresses may name several hosts.
        if not all(_sane_host(host) for host in hosts.split(",") if host):
            self.faults.append(f"{name} has a port that is not a number from 1 to {LARGEST_PORT}.")
        elif not hosts and scheme != "unix" and "host=" not in rest:
            self.faults.append(f"{name} names no host.")
        return url

    def mail_server(self, name: str) -> str | None:
        url = self.server(name, ("smtp", "smtps"))
        if url and urlsplit(url).query not in ("", "starttls=require", "starttls=never"):
            self.faults.append(f"{name} takes no other parameter than ?starttls=require or ?starttls=never.")
        return url

    def mailbox(self, name: str) -> str | None:
        text = self.text(name)
        if text and (not MAILBOX.fullmatch(text) or text.count("<") != text.count(">")):
            self.faults.append(
                f"{name} must be an address, or a name and an address as in `Lavori <a@example.org>`."
            )
        return text or None

    def web_address(self, name: str) -> str | None:
        url = self.text(name).rstrip("/")
        if not url:
            return None
        if not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", url) or not _sane_host(urlsplit(url).netloc):
            self.faults.append(f"{name} must be an http:// or https:// address without query, not {url!r}.")
        return url

    def otlp_endpoint(self) -> str | None:
        """Where spans go; None while they go nowhere, whatever else is said of them then."""
        disabled, exporter = self.text("OTEL_SDK_DISABLED").lower(), self.text("OTEL_TRACES_EXPORTER").lower()
        names = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
        named = [name for name in names if self.text(name)]
        if disabled == "true" or exporter == "none" or not named:
            return None
        if exporter != "otlp":
            self.faults.append(f"OTEL_TRACES_EXPORTER must be otlp or none, not {exporter!r}.")
        ours, of_all = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"
        self.one_of(ours if self.text(ours) else of_all, ("http/protobuf",))
        return self.web_address(named[0])

    def storage(self, name: str, data: Path) -> str:
        url = self.text(name)
        if url == DEFAULTS[name]:
            return (data / "files").as_uri()
        parts = urlsplit(url)
        on_disk = parts.scheme == "file" and not parts.netloc and len(unquote(parts.path)) >= len("/x")
        if not on_disk and not S3_URL.fullmatch(url):
            self.faults.append(f"{name} must be {STORAGE_URLS}, not {url!r}.")
        return url

    def admin_key(self, name: str) -> str | None:
        key = self.text(name)
        if key and len(key) < ADMIN_KEY_LENGTH:
            self.faults.append(f"{name} must have {ADMIN_KEY_LENGTH} characters or more.")
        return key or None

    def pairs(self, name: str) -> Iterator[tuple[str, int]]:
        for word in self.words(name):
            host, colon, port = word.rpartition(":")
            if host and colon and _sane_host(word):
                yield host.removeprefix("[").removesuffix("]").lower(), int(port)
            else:
                self.faults.append(f"{name} holds {word!r}, which is not host:port.")

    def together(self, first: str, second: str) -> None:
        if bool(self.text(first)) != bool(self.text(second)):
            self.faults.append(f"{first} and {second} must be set together.")

    def needs(self, name: str, *others: str) -> None:
        missing = [other for other in others if not self.text(other)]
        if self.text(name) and missing:
            self.faults.append(f"{name} needs {' and '.join(missing)} to be set too.")

    def scope(self, name: str) -> str:
        words = self.text(name).split()
        if "openid" not in words:
            self.faults.append(f"{name} must hold the word openid.")
        return " ".join(words)

    def encrypted(self, name: str, allow: Collection[tuple[str, int]]) -> None:
        """What is trusted comes by https; in one's own network, whose hosts are allowed one by one, by http too."""
        url = urlsplit(self.text(name))
        if url.scheme == "http" and (url.hostname, _port_of(url)) not in allow:
            self.faults.append(
                f"{name} must begin with https://, unless LAVORI_OUTBOUND_ALLOW names its host and port."
            )

    def exposed(self, host: str, public_url: str | None) -> None:
        """Who lets others in says what ends TLS before this port: tokens would pass in the clear."""
        named = urlsplit(public_url or "")
        if not (is_loopback(host) or named.scheme == "https" or is_loopback(named.hostname or "")):
            self.faults.append(
                f"HOST is {host!r}, which others can reach: name the https:// address of what ends TLS in front of it"
                " in LAVORI_PUBLIC_URL, or let HOST be 127.0.0.1."
            )

    def own(self, name: str) -> None:
        """A secret that stands in an example is none."""
        if EXAMPLE.search(self.text(name)):
            self.faults.append(f"{name} is still that of an example: make one of your own.")

    def required(self, names: Collection[str]) -> None:
        self.faults.extend(f"{name} must be set." for name in names if not self.text(name))


def _port_of(url: SplitResult) -> int | None:
    try:
        return url.port or 80
    except ValueError:  # web_address has told it
        return None


def _sane_host(address: str) -> bool:
    """Whether the port of host, host:port, [v6] or [v6]:port is absent or a possible one."""
    found = re.fullmatch(r"(\[[0-9A-Fa-f:.%]+\]|[^\s:\[\]]*)(?::([0-9]{1,5}))?", address)
    return found is not None and (found[2] is None or 0 < int(found[2]) <= LARGEST_PORT)
