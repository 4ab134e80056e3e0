"""Secrets at rest: AES-256-GCM under keys that are derived from LAVORI_SECRET_KEYS. Pure, but for the random nonce.

A sealed text names the key that closed it, so that keys can be rotated: the first of the secret keys seals, each of
them opens. Once a key is taken out of the list, what it sealed can't be opened any more.
"""

import hashlib
import hmac
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_PURPOSE = b"lavori secrets at rest"
_KEY_ID_LENGTH = 8
_NONCE_LENGTH = 12


class Unsealable(Exception):
    """A sealed text was changed, stands in another place than it was sealed for, or its key is gone."""


class Sealer:
    """Seals and opens by the secret keys, newest first."""

    def __init__(self, secret_keys: Sequence[str]) -> None:
        if not secret_keys:
            raise ValueError("sealing needs at least one secret key")
        # Links and sessions use the same secrets: a key of its own keeps one use from telling of another.
        keys = [hmac.digest(secret.encode(), _PURPOSE, "sha256") for secret in secret_keys]
        self._keys = {_text(hashlib.sha256(key).digest())[:_KEY_ID_LENGTH]: AESGCM(key) for key in keys}
        self._newest = next(iter(self._keys))

    def seal(self, secret: str, place: str) -> str:
        """Close a text; it can be opened for the same `place` (the row that keeps it) alone."""
        nonce = os.urandom(_NONCE_LENGTH)
        closed = self._keys[self._newest].encrypt(nonce, secret.encode(), place.encode())
        return f"{self._newest}.{_text(nonce + closed)}"

    def open(self, sealed: str, place: str) -> str:
        """The text that was sealed for `place`. Raises Unsealable."""
        key_id, _, closed = sealed.partition(".")
        try:
            raw = urlsafe_b64decode(closed + "=" * (-len(closed) % 4))
            opened = self._keys[key_id].decrypt(raw[:_NONCE_LENGTH], raw[_NONCE_LENGTH:], place.encode())
        except (KeyError, ValueError, InvalidTag):
            raise Unsealable from None
        return opened.decode()


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")
