"""What the list of dues takes."""

from marshmallow import Schema, fields, validate

MOST = 1000


class DovutiIn(Schema):
    """The query. A cursor is the notice number that a page ended with."""

    service_id = fields.UUID(required=True)
    notice_number = fields.String(load_default=None)
    payer_tax_identification_number = fields.String(load_default=None)
    limit = fields.Integer(load_default=100, validate=validate.Range(min=1, max=MOST))
    cursor = fields.String(
        load_default="",
        validate=validate.Regexp(r"[0-9]{18}\Z", error="is none that this list has given"),
    )
