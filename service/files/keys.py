"""The names under which the application keeps what files need."""

from aiohttp import web

from service.access.buckets import LocalBuckets
from service.files.conversions import Conversions
from service.files.links import LinkSigner
from service.files.storage import Storage

STORAGE: web.AppKey[Storage] = web.AppKey("storage")
CONVERSIONS = web.AppKey("conversions", Conversions)
GUESSES = web.AppKey("guesses", LocalBuckets)
SIGNER = web.AppKey("signer", LinkSigner)
