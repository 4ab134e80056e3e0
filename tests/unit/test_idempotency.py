"""When two submissions are the same one."""

from itertools import combinations
from typing import Any

from service.jobs.idempotency import key_digest, request_hashes


def test_a_key_stands_for_its_scope_tenant_caller_and_type() -> None:
    digests = [
        key_digest("native", 1, "anna", "echo", "k"),
        key_digest("batch 0", 1, "anna", "echo", "k"),
        key_digest("native", 2, "anna", "echo", "k"),
        key_digest("native", 1, "bea", "echo", "k"),
        key_digest("native", 1, "anna", "sleep", "k"),
        key_digest("native", 1, "anna", "echo", "K"),
        key_digest("native", 1, 'anna","echo', "k", ""),
    ]
    assert all(len(digest) == 32 for digest in digests)
    assert all(one != other for one, other in combinations(digests, 2))
    assert key_digest("native", 1, "anna", "echo", "k") == digests[0]


def test_the_order_of_members_and_the_key_itself_do_not_matter() -> None:
    body: dict[str, Any] = {"type": "echo", "args": {"a": 1, "b": {"c": 2, "d": 3}}}
    same = {"args": {"b": {"d": 3, "c": 2}, "a": 1}, "idempotency_key": "k", "type": "echo"}
    assert request_hashes(body, None) == request_hashes(same, None)
    for other in (
        {**body, "args": {}},
        {**body, "priority": "high"},
        {**body, "args": {"a": 1, "b": [2, 3]}},
    ):
        assert request_hashes(other, None) != request_hashes(body, None)


def test_an_uploaded_file_is_part_of_the_request() -> None:
    hashes = {request_hashes({"type": "echo"}, file) for file in (None, b"1" * 32, b"2" * 32)}
    assert len(hashes) == 3


def test_a_body_with_secrets_is_known_under_each_of_the_keys_and_by_no_plain_hash() -> None:
    body = {"type": "call", "args": {"password": "1234"}}
    plain = request_hashes(body, None)
    (new, old) = request_hashes(body, None, ("a new key", "an old key"))
    assert (old,) == request_hashes(body, None, ("an old key",))
    assert len({*plain, new, old}) == 3
    assert new not in request_hashes(
        {**body, "args": {"password": "1235"}}, None, ("a new key", "an old key")
    )
    assert new == request_hashes({**body, "idempotency_key": "k"}, None, ("a new key",))[0]
