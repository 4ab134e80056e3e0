"""The viewer of the document: vendored files as they were shipped, and a page that reaches no other origin."""

import hashlib
import json
import re
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from service.web.viewer import FILES, PAGE, STATIC, routes

StartClient = Callable[[web.Application], Awaitable[TestClient[web.Request, web.Application]]]


def changed(folder: Path) -> list[str]:
    """The vendored files that are not what the manifest says, by name."""
    manifest = json.loads((STATIC / "manifest.json").read_text(encoding="utf-8"))
    wrong = []
    for name, package in manifest.items():
        assert package["version"]
        assert package["licence"]
        there = {path.name: path for path in (folder / name).iterdir()}
        wrong += sorted(there.keys() ^ package["files"].keys())
        wrong += [
            file
            for file, path in there.items()
            if hashlib.sha256(path.read_bytes()).hexdigest() != package["files"].get(file)
        ]
    return wrong


def test_the_vendored_files_are_as_their_makers_shipped_them() -> None:
    assert changed(STATIC) == []


def test_a_changed_byte_is_noticed(tmp_path: Path) -> None:
    shutil.copytree(STATIC, tmp_path, dirs_exist_ok=True)
    named = ("swagger-ui/swagger-ui.css", "preact/preact.min.umd.js", "uplot/uPlot.iife.min.js")
    for name in named:
        with (tmp_path / name).open("r+b") as file:
            file.seek(1000)
            byte = file.read(1)
            file.seek(1000)
            file.write(bytes([byte[0] ^ 1]))
    assert sorted(changed(tmp_path)) == sorted(name.partition("/")[2] for name in named)


def test_the_page_names_only_what_lies_beside_it() -> None:
    named = re.findall(r'(?:src|href)="([^"]+)"', PAGE)
    assert {one for one in named if not one.startswith("data:")} == {
        "openapi.json",
        *(f"doc/{name}" for name in FILES),
    }
    assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=", PAGE)


@pytest.mark.parametrize("path", ["/api/doc", *(f"/api/doc/{name}" for name in FILES)])
async def test_page_and_files_are_served_under_a_strict_policy(
    aiohttp_client: StartClient, path: str
) -> None:
    app = web.Application()
    app.add_routes(routes)
    client = await aiohttp_client(app)
    async with client.get(path) as response:
        assert response.status == 200
        policy = response.headers["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.content_type in {"text/html", "text/css", "text/javascript"}
