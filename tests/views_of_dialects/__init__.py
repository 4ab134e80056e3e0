"""One job through the eyes of a client of each dialect."""

from collections.abc import Callable, Mapping

from aiohttp import ClientSession

from views_of_dialects.aims360 import Aims360
from views_of_dialects.alteryx import Alteryx
from views_of_dialects.conscia import Conscia
from views_of_dialects.dataone import DataOne
from views_of_dialects.opencity import OpenCity
from views_of_dialects.view import View, same

__all__ = ["VIEWS", "View", "same"]

VIEWS: Mapping[str, Callable[[ClientSession], View]] = {
    "opencity": OpenCity,
    "conscia": Conscia,
    "aims360": Aims360,
    "dataone": DataOne,
    "alteryx": Alteryx,
}
"""By the name of the dialect."""
