"""What exportdata takes, and the job that it asks for. Pure."""

from collections.abc import Mapping
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate

from service.dialects.aims360.wire import SCOPES

TYPE = "export_dovuti"
FORMATS: Mapping[str, str] = {"JSON": "json", "CSV": "csv", "Excel": "xlsx"}
ASKED = "exportdata."  # labels of the job keep what was asked for, in the client's own words
_SHORT = validate.Length(max=256)


class OneOf(fields.String):
    """A word of a table, in any case; what it stands for comes out."""

    def __init__(self, words: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(**kwargs, metadata={"json_schema": {"examples": list(words)}})
        self._words = words

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> str:
        given = super()._deserialize(value, attr, data, **kwargs).lower()
        for word, meant in self._words.items():
            if given == word.lower():
                return meant
        raise ValidationError(f"Must be one of: {', '.join(self._words)}.")


class Settings(Schema):
    """What to export: `Source` names the service."""

    class Meta:
        """Other members are ignored."""

        unknown = EXCLUDE

    Source = fields.UUID(required=True)
    viewName = fields.String(allow_none=True, validate=_SHORT)  # noqa: N815 - the vendor's


class ExportIn(Schema):
    """The body of exportdata."""

    class Meta:
        """Other members are ignored."""

        unknown = EXCLUDE

    exportType = fields.String(allow_none=True, validate=_SHORT)  # noqa: N815 - the vendor's
    exportDataSettings = fields.Nested(Settings, required=True)  # noqa: N815 - the vendor's
    exportCriteriaVersion = fields.String(allow_none=True, validate=_SHORT)  # noqa: N815 - the vendor's
    outputFormat = OneOf(FORMATS, required=True)  # noqa: N815 - the vendor's
    publishLinkAccessScope = OneOf(  # noqa: N815 - the vendor's
        {word: scope for scope, word in SCOPES.items()}, load_default="private"
    )


def job(body: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """The native creation body; `asked` is the body as ExportIn has loaded it."""
    texts = {**body["exportDataSettings"], **body}
    kept = {f"{ASKED}{name}": texts.get(name) for name in (*_OF_SETTINGS, *_OF_BODY)}
    return {
        "type": TYPE,
        "args": {
            "service_id": str(asked["exportDataSettings"]["Source"]),
            "format": asked["outputFormat"],
        },
        "publish_link_access_scope": asked["publishLinkAccessScope"],
        "labels": {name: text for name, text in kept.items() if text is not None},
    }


def original(labels: Mapping[str, str]) -> dict[str, Any] | None:
    """The body of exportdata that a job with these labels was made of; None for a job that was made otherwise."""
    kept = {name.removeprefix(ASKED): text for name, text in labels.items() if name.startswith(ASKED)}
    if not kept:
        return None
    settings = {"exportDataSettings": {name: kept[name] for name in _OF_SETTINGS if name in kept}}
    return settings | {name: kept[name] for name in _OF_BODY if name in kept}


_OF_SETTINGS = ("Source", "viewName")
_OF_BODY = ("exportType", "exportCriteriaVersion", "outputFormat", "publishLinkAccessScope")
