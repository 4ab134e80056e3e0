"""One key, one job: how a repeated submission is known. Pure.

The digest names the scope (native, or a dialect), the tenant, the caller, the type or definition, and the key;
the request's hash tells the same request from another one under the same key.
"""

import hashlib
from typing import Any

import orjson


def key_digest(scope: str, tenant_id: int, caller: str, subject: str, key: str) -> bytes:
    """SHA-256 of what makes two submissions the same one."""
    return hashlib.sha256(orjson.dumps([scope, tenant_id, caller, subject, key])).digest()


def request_hash(body: dict[str, Any], file_sha256: bytes | None) -> bytes:
    """SHA-256 of a creation body without its key, whatever the order of its members, and of an uploaded file."""
    without_key = {name: value for name, value in body.items() if name != "idempotency_key"}
    return hashlib.sha256(
        orjson.dumps(without_key, option=orjson.OPT_SORT_KEYS) + (file_sha256 or b"")
    ).digest()
