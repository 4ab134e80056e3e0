"""Data One: submitting jobs, and the list of them, below /ghibli-rest/v2."""

from service.dialects.contract import Dialect
from service.dialects.dataone.document import DOCUMENT
from service.dialects.dataone.routes import CONTEXT, routes

DIALECT = Dialect("dataone", DOCUMENT, routes=tuple(routes), prefixes=(CONTEXT,))
