"""Redis stopped: limits of requests hold on."""

from aiohttp import ClientSession

from worker_process import OwnRedis


async def test_when_redis_stops_a_limit_of_requests_holds_on_and_what_was_used_stays_used(
    api_on_own_redis: ClientSession, own_redis: OwnRedis
) -> None:
    async def statuses(count: int) -> list[int]:
        found = []
        for _ in range(count):
            async with api_on_own_redis.get("/api/me") as response:
                found.append(response.status)
        return found

    async with api_on_own_redis.patch("/api/tenant", json={"caps": {"requests_per_minute": 6}}) as response:
        assert response.status == 200
    assert await statuses(4) == [200] * 4
    own_redis.stop()
    assert await statuses(6) == [200] * 2 + [429] * 4
    own_redis.start()
    assert 200 not in await statuses(3)
