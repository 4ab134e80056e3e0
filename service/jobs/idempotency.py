"""One key, one job: how a repeated submission is known. Pure.

The digest names the scope (native, or a dialect), the tenant, the caller, the type or definition, and the key;
the request's hash tells the same request from another one under the same key.
"""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Any

import orjson

_PURPOSE = b"lavori request fingerprints"


def key_digest(scope: str, tenant_id: int, caller: str, subject: str, key: str) -> bytes:
    """SHA-256 of what makes two submissions the same one."""
    return hashlib.sha256(orjson.dumps([scope, tenant_id, caller, subject, key])).digest()


def request_hashes(
    body: dict[str, Any], file_sha256: bytes | None, secret_keys: Sequence[str] = ()
) -> tuple[bytes, ...]:
    """What a creation body without its key, whatever the order of its members, and an uploaded file are known by.

    It is a SHA-256. From that of a body with secrets in it, these could be guessed: give the secret keys, newest first,
    and it is an HMAC under each of them. The first one is to be kept; a kept one may be any of them.
    """
    without_key = {name: value for name, value in body.items() if name != "idempotency_key"}
    whole = orjson.dumps(without_key, option=orjson.OPT_SORT_KEYS) + (file_sha256 or b"")
    if not secret_keys:
        return (hashlib.sha256(whole).digest(),)
    keys = (hmac.digest(secret.encode(), _PURPOSE, "sha256") for secret in secret_keys)
    return tuple(hmac.digest(key, whole, "sha256") for key in keys)
