"""Token buckets: how many pass, what is left, and when the next one would pass."""

import pytest

from service.access.buckets import MOST_REMEMBERED, Bucket, LocalBuckets, Ruling, buckets_of
from service.access.principal import Caps, Principal, permissions_of

TENANT = Bucket("tenant", "1", 6)
KEY = Bucket("key", "1:k", 2)


def passed(local: LocalBuckets, buckets: tuple[Bucket, ...], times: list[float]) -> list[bool]:
    return [local.take(buckets, at).passes for at in times]


def test_a_full_bucket_lets_a_minutes_requests_through_at_once_and_then_one_each_refill() -> None:
    local = LocalBuckets()
    assert passed(local, (TENANT,), [0.0] * 7) == [True] * 6 + [False]
    assert passed(local, (TENANT,), [9.9, 10.0, 10.1, 20.0]) == [False, True, False, True]


def test_over_a_long_time_no_more_pass_than_the_limit() -> None:
    local = LocalBuckets()
    assert sum(passed(local, (TENANT,), [n / 4 for n in range(2_400)])) == 6 + 59


def test_a_refused_request_takes_no_token_from_any_bucket() -> None:
    local = LocalBuckets()
    assert passed(local, (TENANT, KEY), [0.0] * 5) == [True, True, False, False, False]
    assert local.look((TENANT,), 0.0).tokens == [4.0]


def test_one_owner_leaves_the_others_bucket_alone() -> None:
    local = LocalBuckets()
    assert passed(local, (KEY,), [0.0] * 3) == [True, True, False]
    assert passed(local, (Bucket("key", "1:other", 2),), [0.0]) == [True]


def test_what_is_remembered_is_bounded_and_no_bucket_is_filled_by_forgetting() -> None:
    local = LocalBuckets()
    for n in range(MOST_REMEMBERED):
        local.take((Bucket("key", str(n), 1),), 0.0)
    assert passed(local, (Bucket("key", "new", 1),), [59.0]) == [True]
    assert passed(local, (Bucket("key", "7", 1),), [59.5]) == [False]
    assert passed(local, (Bucket("key", "newer", 1),), [61.0]) == [True]
    assert len(local._held) < 10


@pytest.mark.parametrize(
    ("tokens", "retry", "left"),
    [
        ([6.0, 2.0], 1, '"tenant";r=6;t=0, "key";r=2;t=0'),
        ([4.5, 0.25], 23, '"tenant";r=4;t=15, "key";r=0;t=53'),
        ([0.0, 2.0], 10, '"tenant";r=0;t=60, "key";r=2;t=0'),
    ],
)
def test_headers_say_what_is_left_and_when_all_of_it_is(tokens: list[float], retry: int, left: str) -> None:
    ruling = Ruling(passes=False, buckets=(TENANT, KEY), tokens=tokens)
    assert ruling.retry_seconds == retry
    assert ruling.headers == {
        "RateLimit-Policy": '"tenant";q=6;w=60, "key";q=2;w=60',
        "RateLimit": left,
    }


def test_a_caller_has_the_buckets_of_its_tenants_limits() -> None:
    def who(**caps: int) -> Principal:
        return Principal(7, "t", "anna", ("user",), (), None, permissions_of(("user",), ()), Caps(**caps))

    assert buckets_of(who(queued=1)) == ()
    assert buckets_of(who(requests_per_minute=5)) == (Bucket("tenant", "7", 5),)
    assert buckets_of(who(key_requests_per_minute=3)) == (Bucket("key", "7:anna", 3),)
    assert not who(queued=1).caps.limits_requests
    assert who(key_requests_per_minute=3).caps.limits_requests
