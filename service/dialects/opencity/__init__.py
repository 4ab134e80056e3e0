"""OpenCity: the native API is a superset of it; version 1 has exactly the fields and words of the vendor."""

from service.dialects.contract import Dialect
from service.dialects.opencity.document import DOCUMENT
from service.dialects.opencity.routes import IN_PLACE_OF

DIALECT = Dialect("opencity", DOCUMENT, in_place_of=IN_PLACE_OF)
