"""A member of a body that is true or false."""

from typing import Any

from marshmallow import fields


class Flag(fields.Boolean):
    """true or false, and neither words nor the 0 and 1 that Python takes for them."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value
