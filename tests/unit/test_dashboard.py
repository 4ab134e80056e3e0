"""The dashboard's files: small, whole, in two languages, and served under a strict policy."""

import gzip
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestClient

from service.keys import SETTINGS
from service.settings import Settings
from service.web.dashboard import FOLDER, LIBRARIES, build, routes
from service.web.middleware import edge

StartClient = Callable[[web.Application], Awaitable[TestClient[web.Request, web.Application]]]
MODULES = sorted(FOLDER.rglob("*.js"))
MOST_BYTES = 150_000
WORD = re.compile(r'^  (\w+): "', re.MULTILINE)


def words(language: str) -> set[str]:
    return set(WORD.findall((FOLDER / "i18n" / f"{language}.js").read_text(encoding="utf-8")))


def test_all_of_it_is_less_than_150_kb_as_it_is_sent() -> None:
    page = len(gzip.compress(build().page.encode()))
    assert page + sum(len(one.packed) for one in build().assets.values()) < MOST_BYTES


def test_every_module_imports_only_what_is_there_and_is_imported() -> None:
    imported = {FOLDER / "app.js"}
    for path in MODULES:
        for name in re.findall(r'from "([^"]+)"', path.read_text(encoding="utf-8")):
            target = (path.parent / name).resolve()
            assert target in MODULES, (path, name)
            imported.add(target)
    assert imported == set(MODULES)


def test_both_languages_have_the_same_words() -> None:
    assert words("en") == words("it")


def test_every_word_that_is_used_is_there_and_every_word_that_is_there_is_used() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in MODULES if path.parent.name != "i18n")
    known, used = words("en"), set(re.findall(r'\bt\("(\w+)"', source))
    assert used <= known
    made = [name.partition("${")[0] for name in re.findall(r"\bt\(`([^`]+)`", source)]
    named = set(re.findall(r'"(\w+)"', source))
    strange = {
        name
        for name in known - used - named
        if not any(name.startswith(head) for head in made if head) and not name.endswith("_one")
    }
    assert {name for name in strange if not name.startswith(("caps_", "retention_"))} == set()


def test_nothing_writes_html_or_reaches_another_origin() -> None:
    for path in [*MODULES, FOLDER / "index.html", FOLDER / "style.css"]:
        text = path.read_text(encoding="utf-8")
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacent|dangerously|document\.write|\beval\b", text
        ), path
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), path
    page = (FOLDER / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=", page)


def test_the_page_loads_the_vendored_libraries() -> None:
    page = (FOLDER / "index.html").read_text(encoding="utf-8")
    assert set(re.findall(r"\{build\}/((?:preact|htm|signals|signals-core|uplot)/[^\"]+)", page)) == set(
        LIBRARIES
    )


async def test_page_and_files_are_served_under_a_strict_policy(aiohttp_client: StartClient) -> None:
    app = web.Application(middlewares=[edge])
    app.add_routes(routes)
    client = await aiohttp_client(app)
    async with client.get("/") as response:
        page, headers = await response.text(), response.headers
        assert headers["Content-Security-Policy"].startswith(
            "default-src 'none'; script-src 'self'; style-src 'self';"
        )
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] == "no-cache"
    named = re.findall(r'(?:src|href)="(dashboard/[^"]+)"', page)
    assert len({*named}) == len([*LIBRARIES, *MODULES]) + 2  # icon and style
    for path in named:
        for encoding in ("gzip", "identity"):
            async with client.get(f"/{path}", headers={"Accept-Encoding": encoding}) as response:
                assert response.status == 200, path
                assert response.headers["X-Content-Type-Options"] == "nosniff"
                assert "immutable" in response.headers["Cache-Control"]
                assert response.headers.get("Content-Encoding", "identity") == encoding
    for path in (f"{build().digest}/nothing.js", "another/app.js", f"{build().digest}/%2e%2e/viewer.py"):
        assert (await client.get(f"/dashboard/{path}")).status == 404


async def test_the_page_names_the_provider_where_people_may_log_in_there(aiohttp_client: StartClient) -> None:
    own = {"OIDC_ISSUER": "https://login.example.org/realms/city", "OIDC_AUDIENCE": "lavori"}
    login = {
        "OIDC_CLIENT_ID": "the-client-id",
        "OIDC_CLIENT_SECRET": "hush-hush-hush",
        "LAVORI_PUBLIC_URL": "https://lavori.example.org",
    }
    for environ, told in (({}, ""), (own, ""), (own | login, "login.example.org")):
        app = web.Application(middlewares=[edge])
        app[SETTINGS] = Settings.from_environ(environ)
        app.add_routes(routes)
        async with (await aiohttp_client(app)).get("/") as response:
            page = await response.text()
        assert f'<body data-provider="{told}">' in page
        assert "hush" not in page
        assert "the-client-id" not in page


def test_the_digest_is_of_every_file(tmp_path: Path) -> None:
    assert re.fullmatch(r"[0-9a-f]{16}", build().digest)
    assert {*build().assets} >= {path.relative_to(FOLDER).as_posix() for path in MODULES}
