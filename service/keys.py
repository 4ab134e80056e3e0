"""The names under which the application keeps its parts: typed, so that a wrong one is a type error."""

import asyncio

import asyncpg
from aiohttp import web
from arq.connections import ArqRedis

from service.settings import Settings

SETTINGS = web.AppKey("settings", Settings)
POOL = web.AppKey("pool", asyncpg.Pool)
DRAINING = web.AppKey("draining", asyncio.Event)
REDIS = web.AppKey("redis", ArqRedis)
