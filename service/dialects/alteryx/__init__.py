"""Alteryx: jobs, and workflows that make them, behind OAuth 2's client credentials."""

from service.dialects.alteryx.document import DOCUMENT
from service.dialects.alteryx.routes import routes
from service.dialects.alteryx.wire import refusal
from service.dialects.contract import Dialect

DIALECT = Dialect("alteryx", DOCUMENT, routes=routes, prefixes=("/webapi",), refusal=refusal)
