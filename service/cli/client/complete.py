"""What the shell offers when Tab is pressed: asked of the server, and nothing when that does not answer at once."""

import os

SECONDS = 1.5


def job_types(incomplete: str) -> list[str]:
    """Codes of job types."""
    return _codes("/api/job-types", "job_types", incomplete)


def definition_codes(incomplete: str) -> list[str]:
    """Codes of definitions."""
    return _codes("/api/job-definitions", "job_definitions", incomplete)


def worker_ids(incomplete: str) -> list[str]:
    """Ids of workers."""
    return _codes("/api/workers", "workers", incomplete, "id")


def profile_names(incomplete: str) -> list[str]:
    """Names of profiles."""
    from service.cli.client.profiles import path_of, read_profiles  # noqa: PLC0415, only when Tab is pressed

    try:
        names = read_profiles(path_of(os.environ)).by_name
    except Exception:  # noqa: BLE001 - a shell's line is no place for an error
        return []
    return [name for name in names if name.startswith(incomplete)]


def _codes(path: str, member: str, incomplete: str, code: str = "code") -> list[str]:
    from service.cli.client.api import Api  # noqa: PLC0415, only when Tab is pressed
    from service.cli.client.profiles import chosen, path_of, read_profiles  # noqa: PLC0415

    try:
        server = chosen(read_profiles(path_of(os.environ)), os.environ, None, None)
        listed = Api(server.url, server.token, patience=0).json("GET", path, seconds=SECONDS)[member]
        return [one[code] for one in listed if one[code].startswith(incomplete)]
    except Exception:  # noqa: BLE001 - as above
        return []
