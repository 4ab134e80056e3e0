"""The addresses of download links, as a request's answer shows them."""

from collections.abc import Callable
from uuid import UUID

from aiohttp import web

from service.files.keys import SIGNER
from service.files.links import link_url
from service.keys import SETTINGS


def link_addresses(request: web.Request) -> Callable[[UUID], str]:
    """Give what makes a link's address: below LAVORI_PUBLIC_URL, or the origin that this request was sent to."""
    base = request.app[SETTINGS].public_url or f"{request.scheme}://{request.host}"
    signer = request.app[SIGNER]
    return lambda link_id: link_url(base, link_id, signer.token(link_id))
