"""Conscia: job types, job definitions and jobs below /vue/_api/v1."""

from service.dialects.conscia.document import DOCUMENT
from service.dialects.conscia.routes import routes
from service.dialects.contract import Dialect

DIALECT = Dialect("conscia", DOCUMENT, routes=tuple(routes), prefixes=("/vue/_api/v1",))
