"""AIMS360: jobs and documents by OData, documents by links, exports."""

from service.dialects.aims360.document import DOCUMENT
from service.dialects.aims360.routes import routes
from service.dialects.aims360.wire import refusal
from service.dialects.contract import Dialect

DIALECT = Dialect(
    "aims360",
    DOCUMENT,
    routes=routes,
    prefixes=("/jobsmanagement", "/documentmanagement", "/reports"),
    refusal=refusal,
)
