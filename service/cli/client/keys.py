"""`lavori keys …`, `login`, `logout`, `profiles` and `whoami`: who asks."""

import os
import sys
from dataclasses import replace
from typing import Annotated, Any

import typer

from service.cli.client.command import Asked, command, say
from service.cli.client.complete import profile_names
from service.cli.client.ending import Code, Ended
from service.cli.client.options import All, Limit
from service.cli.client.output import Format, first, show_many, show_row
from service.cli.client.profiles import Profile, Profiles, checked_url, path_of, read_profiles, write_profiles
from service.cli.client.shapes import KEY, ME, PROFILE

LARGEST_PAGE = 1_000
Id = Annotated[str, typer.Argument(metavar="KEY", help="The id of a key.")]
Name = Annotated[str, typer.Argument(metavar="PROFILE", autocompletion=profile_names)]


def add(app: typer.Typer) -> None:
    """Add the commands."""
    keys = typer.Typer(no_args_is_help=True, help="API keys of the tenant, for admins.")
    for name, run in (("list", list_keys), ("create", create), ("rotate", rotate), ("revoke", revoke)):
        command(keys, name)(run)
    app.add_typer(keys, name="keys")
    command(app)(login)
    command(app)(logout)
    command(app)(whoami)
    profiles = typer.Typer(no_args_is_help=True, help="Servers and keys that are kept by `lavori login`.")
    command(profiles, "list")(list_profiles)
    command(profiles, "use")(use)
    app.add_typer(profiles, name="profiles")


def list_keys(asked: Asked, *, limit: Limit = 30, all_: All = False) -> None:
    """List the keys of the tenant."""
    most = None if all_ else limit
    rows = asked.api.pages("/api/keys", "keys", {"limit": min(most or LARGEST_PAGE, LARGEST_PAGE)})
    show_many(first(rows, most), KEY, asked.output)


def create(
    asked: Asked,
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    *,
    principal: Annotated[str, typer.Option("--principal", help="The person or program that it stands for.")],
    role: Annotated[
        list[str] | None, typer.Option("--role", "-r", help="viewer, user, curator or admin.")
    ] = None,
    grant: Annotated[list[str] | None, typer.Option("--grant", "-g", help="A single permission.")] = None,
    expires_at: Annotated[str | None, typer.Option("--expires-at", metavar="TIME")] = None,
) -> None:
    """Make a key, and write it: it is shown this once."""
    sent: dict[str, Any] = {
        "name": name,
        "principal": principal,
        "roles": role or [],
        "grants": grant or [],
    }
    if expires_at is not None:
        sent["expires_at"] = expires_at
    _show_secret(asked, asked.api.json("POST", "/api/keys", sent=sent))


def rotate(
    asked: Asked,
    key: Id,
    *,
    grace: Annotated[
        int, typer.Option("--grace", metavar="SECONDS", min=0, help="How long the old one is good.")
    ] = 0,
) -> None:
    """Give a key a new secret, and write it: it is shown this once."""
    _show_secret(asked, asked.api.json("POST", f"{_path(key)}/rotate", sent={"grace_seconds": grace}))


def revoke(asked: Asked, key: Id) -> None:
    """End a key, everywhere within a second."""
    asked.api.json("DELETE", _path(key))


def login(
    asked: Asked,
    name: Annotated[str, typer.Argument(metavar="[PROFILE]", help="How it is called.")] = "default",
) -> None:
    """Keep a server (--url) and a key, which is asked for or read from stdin."""
    from service.cli.client.api import Api  # noqa: PLC0415, it takes longest to load

    path = path_of(os.environ)
    profiles = read_profiles(path)
    kept = profiles.by_name.get(name, Profile("http://127.0.0.1:8080"))
    url = checked_url(asked.url or os.environ.get("LAVORI_URL") or kept.url)
    token = (
        typer.prompt(f"Key for {url}", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline()
    ).strip()
    if not token:
        raise Ended("There was no key.", Code.USAGE)
    me = Api(url, token).json("GET", "/api/me")
    write_profiles(path, Profiles(name, {**profiles.by_name, name: Profile(url, token)}))
    say(f"Logged in to {url} as {me['principal']} of {me['tenant']}; kept as profile {name} in {path}.")


def logout(asked: Asked, name: Annotated[str, typer.Argument(metavar="[PROFILE]")] = "") -> None:
    """Forget a profile; its key stays good until it is revoked."""
    del asked
    path = path_of(os.environ)
    profiles = read_profiles(path)
    gone = name or profiles.current
    if gone not in profiles.by_name:
        raise Ended(f"There is no profile {gone!r}.", Code.USAGE)
    left = {one: kept for one, kept in profiles.by_name.items() if one != gone}
    current = profiles.current if profiles.current in left else next(iter(left), "default")
    write_profiles(path, Profiles(current, left))


def list_profiles(asked: Asked) -> None:
    """List the profiles that are kept here, without their keys."""
    profiles = read_profiles(path_of(os.environ))
    rows = [
        {"name": name, "current": name == profiles.current, "url": one.url, "key": _hint(one.token)}
        for name, one in profiles.by_name.items()
    ]
    show_many(rows, PROFILE, asked.output)


def use(asked: Asked, name: Name) -> None:
    """Take a profile where none is named."""
    del asked
    path = path_of(os.environ)
    profiles = read_profiles(path)
    if name not in profiles.by_name:
        raise Ended(f"There is no profile {name!r}: see `lavori profiles list`.", Code.USAGE)
    write_profiles(path, replace(profiles, current=name))


def whoami(asked: Asked) -> None:
    """Show who the server takes you for."""
    show_row(asked.api.json("GET", "/api/me"), ME, asked.output)


def _show_secret(asked: Asked, key: dict[str, Any]) -> None:
    if asked.output in (Format.TABLE, Format.NAME):
        print(key["secret"])
        say(f"Key {key['id']} for {key['principal']}. It is shown this once: keep it well.")
    else:
        show_row(key, KEY, asked.output)


def _path(key: str) -> str:
    from service.cli.client.api import part  # noqa: PLC0415, loads HTTP

    return f"/api/keys/{part(key)}"


def _hint(token: str | None) -> str:
    return "" if token is None else f"{token[:7]}…"
