"""Why somebody was not logged in by the provider, as a page for people in their language, or as a problem."""

from html import escape
from typing import NamedTuple

from aiohttp import hdrs, web

from service.errors import Forbidden, LavoriError, Malformed, Unavailable
from service.web.dashboard import build
from service.web.middleware import problem_response
from service.web.problems import wants_html

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # the address holds a code
    hdrs.CACHE_CONTROL: "no-store",
}
TITLE = {"en": "You are not logged in", "it": "Accesso non riuscito"}
AGAIN = {"en": "Back to the dashboard", "it": "Torna al pannello"}


class Fault(NamedTuple):
    """One way in which it fails: its name in the log, and what it is for whoever sees it; `{more}` is put in."""

    name: str
    error: type[LavoriError]
    en: str
    it: str


NOT_BEGUN = Fault(
    "not_begun",
    Malformed,
    "This login was not begun in this browser, has been finished already, or is more than ten minutes old. "
    "Begin again.",
    "Questo accesso non è stato iniziato in questo browser, è già concluso o ha più di dieci minuti. Ricomincia.",
)
MIXED_UP = Fault(
    "mixed_up",
    Forbidden,
    "This answer comes from another provider than the one that was asked. Begin again.",
    "Questa risposta non viene dal provider a cui era stata chiesta. Ricomincia.",
)
DENIED = Fault(
    "denied",
    Forbidden,
    "The provider has not let you in, or the login was given up there.",
    "Il provider non ti ha fatto entrare, oppure l'accesso è stato annullato.",
)
USED = Fault(
    "used",
    Forbidden,
    "The provider does not take the code of this login: it was used already, or is too old. Begin again.",
    "Il provider non accetta il codice di questo accesso: è già stato usato o è scaduto. Ricomincia.",
)
UNTRUSTED = Fault(
    "untrusted",
    Forbidden,
    "What the provider says of you can't be trusted: it is not for this login, not for this service, or not for now.",
    "Ciò che il provider dice di te non è affidabile: non riguarda questo accesso, questo servizio o questo momento.",
)
NOBODY = Fault(
    "nobody",
    Forbidden,
    "The provider knows you, but you have no access here ({more}). Ask who runs this service.",
    "Il provider ti conosce, ma qui non hai accesso ({more}). Rivolgiti a chi gestisce il servizio.",
)
AWAY = Fault(
    "away",
    Unavailable,
    "The provider can't log you in at the moment. Try again later.",
    "In questo momento il provider non può farti accedere. Riprova più tardi.",
)


class LoginFailed(Exception):
    """Nobody is logged in; `reason` is for the log, and for the page where its words have a place for it."""

    def __init__(self, fault: Fault, reason: str = "") -> None:
        super().__init__(reason or fault.name)
        self.fault, self.reason = fault, reason


def response_of(request: web.Request, failed: LoginFailed, home: str) -> web.Response:
    """The page, for a browser, with the way back `home`; for all else a problem."""
    fault = failed.fault
    if not wants_html(request):
        response = problem_response(request, fault.error(fault.en.format(more=failed.reason)))
        response.headers.update(HEADERS)
        return response
    language = _language(request)
    words = fault.it if language == "it" else fault.en
    title, sentence = TITLE[language], words.format(more=failed.reason)
    text = (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><title>{title}</title>'
        f'<link rel="stylesheet" href="{escape(home)}dashboard/{build().digest}/style.css"></head>'
        '<body><main class="login"><section><div class="brand"><span class="mark"></span>Lavori</div>'
        f'<h1>{title}</h1><p role="alert">{escape(sentence)}</p>'
        f'<a class="button primary" href="{escape(home)}">{AGAIN[language]}</a></section></main></body></html>'
    )
    headers = dict(HEADERS)
    if fault.error.retry_after is not None:
        headers[hdrs.RETRY_AFTER] = str(fault.error.retry_after)
    return web.Response(
        text=text, status=fault.error.status, content_type="text/html", charset="utf-8", headers=headers
    )


def _language(request: web.Request) -> str:
    """The first of ours that the browser names, which is how browsers order them."""
    named = request.headers.get(hdrs.ACCEPT_LANGUAGE, "").lower().split(",")
    return next((one.strip()[:2] for one in named if one.strip()[:2] in TITLE), "en")
