"""What can go wrong, as a small tree of facts; HTTP appears only as class attributes.

`str(error)` is the `detail` that a client reads: no SQL, no path, no internals. Codes are stable and
documented in docs/errors.md.
"""

from dataclasses import dataclass
from typing import ClassVar


class LavoriError(Exception):
    """A fault of the service itself; its kinds below are facts that a caller can act on."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"
    retry_after: int | None = None  # seconds


class Malformed(LavoriError):
    """The body is no JSON, or a query parameter does not parse."""

    status, code, title = 400, "malformed", "Malformed request"


class Unauthenticated(LavoriError):
    """No token, or one that is unknown, expired or revoked."""

    status, code, title = 401, "unauthenticated", "Not authenticated"


class Forbidden(LavoriError):
    """The caller may see the thing but not do this to it."""

    status, code, title = 403, "forbidden", "Forbidden"


class NotFound(LavoriError):
    """No such thing, or one that this caller may not see: the two are indistinguishable."""

    status, code, title = 404, "not_found", "Not found"


class MethodNotAllowed(LavoriError):
    """The path exists, the method does not."""

    status, code, title = 405, "method_not_allowed", "Method not allowed"


class WrongState(LavoriError):
    """The job's state does not allow it."""

    status, code, title = 409, "wrong_state", "Wrong state"

    def __init__(self, current: str, allowed: tuple[str, ...]) -> None:
        self.current, self.allowed = current, allowed
        super().__init__(f"the job is {current}; this needs it to be {' or '.join(allowed)}")


class NotChangeable(WrongState):
    """A field that can no longer, or never, be changed."""

    def __init__(self, fields: tuple[str, ...], current: str) -> None:
        self.fields, self.current, self.allowed = fields, current, ()
        LavoriError.__init__(self, f"cannot be changed while the job is {current}: {', '.join(fields)}")


class NotRerunnable(WrongState):
    """The job was created with can_rerun false."""

    def __init__(self, current: str) -> None:
        self.current, self.allowed = current, ()
        LavoriError.__init__(self, f"the job is {current}, and it cannot be run again: can_rerun is false")


class SecretsLost(WrongState):
    """The key that sealed the job's secret args is no longer among LAVORI_SECRET_KEYS."""

    def __init__(self, current: str) -> None:
        self.current, self.allowed = current, ()
        LavoriError.__init__(self, "the job's secret args cannot be opened any more: their key is gone")


class Conflict(LavoriError):
    """A code that is taken, or a thing that others still depend on."""

    status, code, title = 409, "conflict", "Conflict"


class NotReady(LavoriError):
    """A link whose output is not there yet."""

    status, code, title = 409, "not_ready", "Not ready"
    retry_after = 2


class Gone(LavoriError):
    """A download link that has expired, was revoked or is used up."""

    status, code, title = 410, "gone", "Gone"


class PreconditionFailed(LavoriError):
    """If-Match does not match."""

    status, code, title = 412, "precondition_failed", "Precondition failed"


class TooLarge(LavoriError):
    """A body, an attachment or a list over its limit."""

    status, code, title = 413, "too_large", "Too large"

    def __init__(self, what: str, limit: int, unit: str = "bytes") -> None:
        super().__init__(f"{what} exceeds the limit of {limit} {unit}")


class UnsupportedMediaType(LavoriError):
    """A body of a kind that this route does not take."""

    status, code, title = 415, "unsupported_media_type", "Unsupported media type"


class NotImplementedHere(LavoriError):
    """A part of a standard that is not offered here."""

    status, code, title = 501, "not_implemented", "Not implemented"


class RangeNotSatisfiable(LavoriError):
    """A Range that lies outside the content."""

    status, code, title = 416, "range_not_satisfiable", "Range not satisfiable"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a body: `pointer` is a JSON pointer as a URI fragment (`#/args/service_id`)."""

    pointer: str
    detail: str


class Invalid(LavoriError):
    """Well-formed, but wrong; every place is named."""

    status, code, title = 422, "invalid", "Invalid request"

    def __init__(self, faults: list[Fault], detail: str | None = None) -> None:
        self.faults = faults
        super().__init__(detail or "; ".join(f"{f.pointer}: {f.detail}" for f in faults[:3]))


class UnknownJobType(Invalid):
    """No such job type is installed."""

    code, title = "unknown_job_type", "Unknown job type"


class NotConvertible(LavoriError):
    """An output that cannot be had in another of its formats after all."""

    status, code, title = 422, "not_convertible", "Not convertible"


class IdempotencyKeyReused(LavoriError):
    """The key was used with another request."""

    status, code, title = 422, "idempotency_key_reused", "Idempotency key reused"


class OutboundRefused(LavoriError):
    """An address that calls to the outside may not go to."""

    status, code, title = 422, "outbound_refused", "Address refused"


class OutboundFailed(LavoriError):
    """Another server could not be reached, or did not answer as it should."""

    status, code, title = 502, "outbound_failed", "Outbound call failed"


class RateLimited(LavoriError):
    """Too many requests."""

    status, code, title = 429, "rate_limited", "Too many requests"
    retry_after = 1

    def __init__(self, detail: str, seconds: int = 1) -> None:
        self.retry_after = seconds
        super().__init__(detail)


class CapExceeded(LavoriError):
    """A cap of the tenant is reached."""

    status, code, title = 429, "cap_exceeded", "Cap exceeded"
    retry_after = 5

    def __init__(self, cap: str, limit: int) -> None:
        self.cap, self.limit = cap, limit
        super().__init__(f"the tenant's cap {cap} of {limit} is reached")


class Unavailable(LavoriError):
    """PostgreSQL can't be reached, the server is draining, or too many requests wait."""

    status, code, title = 503, "unavailable", "Unavailable"
    retry_after = 2


class StorageFull(Unavailable):
    """There is no room left where files are kept."""

    status, code, title = 507, "storage_full", "Storage full"
