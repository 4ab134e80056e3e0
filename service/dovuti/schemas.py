"""What the list of dues takes and shows."""

from marshmallow import Schema, fields, validate

from service.web.described import Shown

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
    count = fields.Boolean(load_default=False, truthy={"true", "1"}, falsy={"false", "0"})


class DueOut(Shown):
    """A due. The amount is a decimal text, so that no program rounds it."""

    service_id = fields.UUID()
    notice_number = fields.String(validate=validate.Regexp(r"[0-9]{18}\Z"))
    iuv = fields.String(validate=validate.Regexp(r"[0-9]{15,17}\Z"))
    amount = fields.String(validate=validate.Regexp(r"[0-9]+\.[0-9]{2}\Z"))
    reason = fields.String()
    created_at = fields.Date()
    expire_at = fields.Date()
    payer_type = fields.String(validate=validate.OneOf(["F", "G"]))
    payer_tax_identification_number = fields.String()
    payer_name = fields.String(allow_none=True)
    payer_email = fields.String(allow_none=True)
    job_id = fields.UUID()


class DovutiOut(Shown):
    """A page of dues, by notice number."""

    sometimes = frozenset({"next", "count"})

    dovuti = fields.List(fields.Nested(DueOut))
    next = fields.String()
    count = fields.Integer(validate=validate.Range(0))
