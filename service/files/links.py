"""The tokens of download links. Pure.

A token is a key id and the HMAC-SHA256 of the link's id under that key, so nothing secret is kept, and a link
can be shown again at any time. The first of the secret keys signs, each of them verifies.

What a rotation means: put the new key in front and leave the old one in the list. Links then show a new token,
and a token that was handed out before stays good. It ends with the link (the row holds expiry and revocation),
or when its key is taken out of the list, which is how a key that leaked is made worthless.
"""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from uuid import UUID

_PURPOSE = b"lavori download link"
KEY_ID_LENGTH = 8
TOKEN_LENGTH = KEY_ID_LENGTH + 43


class LinkSigner:
    """Makes and checks tokens of links by the secret keys, newest first."""

    def __init__(self, secret_keys: Sequence[str]) -> None:
        if not secret_keys:
            raise ValueError("links need at least one secret key")
        # Sessions use the same secrets; a key of its own keeps one kind of token from passing for another.
        keys = [hmac.digest(secret.encode(), _PURPOSE, "sha256") for secret in secret_keys]
        self._keys = {_text(hashlib.sha256(key).digest())[:KEY_ID_LENGTH]: key for key in keys}
        self._newest = next(iter(self._keys))

    def token(self, link_id: UUID) -> str:
        """The token of a link, under the newest key: 51 characters that are safe in a URL."""
        return self._sign(self._newest, link_id)

    def verify(self, link_id: UUID, token: str) -> bool:
        """Whether this is a token of that link under any of the keys; as slow for a near miss as for a far one."""
        key_id = token[:KEY_ID_LENGTH]
        if key_id not in self._keys:
            return False
        return hmac.compare_digest(self._sign(key_id, link_id).encode(), token.encode(errors="replace"))

    def _sign(self, key_id: str, link_id: UUID) -> str:
        return key_id + _text(hmac.digest(self._keys[key_id], link_id.bytes, "sha256"))


def link_url(base: str, link_id: UUID, token: str) -> str:
    """The address of a link; `base` is LAVORI_PUBLIC_URL, or the origin that the request was sent to."""
    return f"{base.rstrip('/')}/d/{link_id}/{token}"


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")
