"""Rights: the table of the contract, as a table."""

import pytest

from service.access.principal import ROLES, Permission, Principal, permissions_of

ROLE_NAMES = ("viewer", "user", "curator", "admin")
TABLE = {
    #                            viewer  user   curator admin
    "read own":                 (True,  True,  True,  True),
    "read shared":              (True,  True,  True,  True),
    "read any":                 (True,  False, True,  True),
    "create":                   (False, True,  True,  True),
    "control own":              (False, True,  True,  True),
    "control shared":           (False, True,  True,  True),
    "control any":              (False, False, True,  True),
    "write any definition":     (False, False, True,  True),
    "keys":                     (False, False, False, True),
    "tenant":                   (False, False, False, True),
    "audit":                    (False, False, False, True),
    "tenants":                  (False, False, False, False),
}  # fmt: skip


def principal(roles: tuple[str, ...] = (), grants: tuple[str, ...] = ()) -> Principal:
    return Principal(
        tenant_id=1,
        tenant_code="default",
        name="anna",
        roles=roles,
        grants=grants,
        key_id=None,
        permissions=permissions_of(roles, grants),
    )


def answers(who: Principal) -> dict[str, bool]:
    return {
        "read own": who.may_read("anna", []),
        "read shared": who.may_read("bruno", ["anna"]) and who.may_read("bruno", ["*"]),
        "read any": who.may_read("bruno", ["carla"]),
        "create": who.may(Permission.JOBS_CREATE),
        "control own": who.may_control("anna", []),
        "control shared": who.may_control("bruno", ["anna"]) and who.may_control("bruno", ["*"]),
        "control any": who.may_control("bruno", ["carla"]),
        "write any definition": who.may(Permission.DEFINITIONS_WRITE_ALL),
        "keys": who.may(Permission.KEYS),
        "tenant": who.may(Permission.TENANT),
        "audit": who.may(Permission.AUDIT),
        "tenants": who.may(Permission.TENANTS),
    }


@pytest.mark.parametrize("role", ROLE_NAMES)
def test_a_role_gives_what_the_contract_says(role: str) -> None:
    column = ROLE_NAMES.index(role)
    assert answers(principal((role,))) == {what: row[column] for what, row in TABLE.items()}


def test_the_contract_knows_every_role() -> None:
    assert tuple(ROLES) == ROLE_NAMES


def test_a_key_without_roles_reads_its_own_jobs_and_no_more() -> None:
    allowed = {what for what, may in answers(principal()).items() if may}
    assert allowed == {"read own", "read shared"}


@pytest.mark.parametrize("permission", list(Permission))
def test_a_grant_adds_its_permission_alone(permission: Permission) -> None:
    assert principal(grants=(permission,)).permissions == {permission}


def test_roles_and_grants_add_up() -> None:
    who = principal(("viewer", "user"), ("audit",))
    assert who.permissions == {Permission.JOBS_READ_ALL, Permission.JOBS_CREATE, Permission.AUDIT}
