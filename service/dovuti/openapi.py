"""The route of dues, for the OpenAPI document."""

from service.dovuti import routes
from service.dovuti.schemas import DovutiIn, DovutiOut
from service.web.described import Operation, answer

DUE = {
    "service_id": "5f0c3c1e-6f0b-4a0e-9f39-1d1b7a6a2a11",
    "notice_number": "301234567890123456",
    "iuv": "01234567890123456",
    "amount": "120.50",
    "reason": "Mensa scolastica, novembre",
    "created_at": "2026-11-01",
    "expire_at": "2026-12-01",
    "payer_type": "F",
    "payer_tax_identification_number": "RSSMRA80A01H501U",
    "payer_name": "Mario Rossi",
    "payer_email": None,
    "job_id": "0199f3c2-7b1e-7cc4-9d3e-5a1b2c3d4e5f",
}

OPERATIONS = {
    routes.list_dovuti: Operation(
        "list_dovuti",
        "List dues",
        "Dues",
        {200: answer(DovutiOut, {"dovuti": [DUE]}, "A page of dues.", "Link")},
        query=DovutiIn,
    ),
}

WORDS = {
    "service_id": "The service whose dues they are.",
    "notice_number": "18 digits.",
    "iuv": "15 to 17 digits.",
    "dovuti": "By notice number.",
    "expire_at": "When it is due.",
    "payer_name": "Null where the file had none.",
    "payer_email": "Null where the file had none.",
    "amount": "In euro, a decimal with two places.",
    "payer_type": "A person (F) or a legal entity (G).",
    "payer_tax_identification_number": "A codice fiscale or partita IVA, in upper case.",
    "Due.job_id": "The job that wrote it last.",
    "DovutiIn.cursor": "The notice number that the page before ended with.",
}
