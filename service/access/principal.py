"""Who calls, and what they may do. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Permission(StrEnum):
    """The single permissions; each is also a grant that a key can carry."""

    JOBS_CREATE = "jobs:create"
    JOBS_READ_ALL = "jobs:read_all"
    JOBS_CONTROL_ALL = "jobs:control_all"
    DEFINITIONS_WRITE_ALL = "definitions:write_all"
    KEYS = "keys"
    TENANT = "tenant"
    AUDIT = "audit"
    TENANTS = "tenants"
    WORKFLOW = "workflow"


ROLES: dict[str, frozenset[Permission]] = {
    "viewer": frozenset({Permission.JOBS_READ_ALL}),
    "user": frozenset({Permission.JOBS_CREATE}),
    "curator": frozenset(
        {
            Permission.JOBS_CREATE,
            Permission.JOBS_READ_ALL,
            Permission.JOBS_CONTROL_ALL,
            Permission.DEFINITIONS_WRITE_ALL,
        }
    ),
    # `tenants` crosses tenants, so no role has it: only a grant.
    "admin": frozenset(Permission) - {Permission.TENANTS},
}


@dataclass(frozen=True, slots=True)
class Caps:
    """What a tenant may have at once, and how much it may ask; None for no cap. `key_…` is of each single key."""

    queued: int | None = None
    running: int | None = None
    storage_bytes: int | None = None
    requests_per_minute: int | None = None
    waiters: int | None = None
    key_requests_per_minute: int | None = None

    @property
    def limits_requests(self) -> bool:
        """Whether requests are counted at all."""
        return self.requests_per_minute is not None or self.key_requests_per_minute is not None


NO_CAPS = Caps()


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller. `name` is the person or program; `permissions` is roles and grants together.

    `caps` are those of its tenant, as they were when the token was looked up.
    """

    tenant_id: int
    tenant_code: str
    name: str
    roles: tuple[str, ...]
    grants: tuple[str, ...]
    key_id: UUID | None
    permissions: frozenset[Permission]
    caps: Caps = NO_CAPS

    def may(self, permission: Permission) -> bool:
        """Whether roles or grants give this permission."""
        return permission in self.permissions

    def may_read(self, created_by: str, shared_with: list[str]) -> bool:
        """Whether a job of this tenant is visible: one's own, a shared definition's, or any with jobs:read_all."""
        return self.owns(created_by, shared_with) or Permission.JOBS_READ_ALL in self.permissions

    def may_control(self, created_by: str, shared_with: list[str]) -> bool:
        """Whether a visible job may be changed: any with jobs:control_all, else only one's own with jobs:create."""
        if Permission.JOBS_CONTROL_ALL in self.permissions:
            return True
        return Permission.JOBS_CREATE in self.permissions and self.owns(created_by, shared_with)

    def owns(self, created_by: str, shared_with: list[str]) -> bool:
        """Whether the job is one's own, or one of a definition that is shared with one."""
        return created_by == self.name or self.name in shared_with or "*" in shared_with


def permissions_of(roles: tuple[str, ...], grants: tuple[str, ...]) -> frozenset[Permission]:
    """All permissions that these roles and grants give together."""
    return frozenset(Permission(grant) for grant in grants).union(*(ROLES[role] for role in roles))
