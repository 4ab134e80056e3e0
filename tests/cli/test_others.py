"""`lavori types`, `definitions`, `schedule`, `keys`, `login`, `doctor`, `completion`: what is not about jobs."""

import json
import re
import stat
import subprocess
from pathlib import Path

import pytest

from cli_shell import KEY, LAVORI, Shell


def test_types_are_listed_and_shown_whole(lavori: Shell) -> None:
    heading, *rows = lavori("types").out.splitlines()
    assert heading.split()[:2] == ["CODE", "NAME"]
    assert any(row.startswith("sleep ") for row in rows)
    assert "echo" in lavori("types", "-o", "name").out.split()
    assert lavori.json("types", "sleep")["params"]["properties"]["seconds"]
    assert lavori("types", "nothing", code=5).err == "No such job type.\n"


def test_definitions_are_made_changed_run_paused_and_deleted(lavori: Shell) -> None:
    asked = {
        "code": "nightly",
        "type": "sleep",
        "args": {"seconds": 0.1, "steps": 1},
        "schedule": {"cron": "0 2 * * *"},
    }
    (lavori.folder / "nightly.json").write_text(json.dumps(asked))
    assert lavori("definitions", "create", "nightly.json", "-o", "name").out == "nightly\n"
    assert lavori.json("definitions", "get", "nightly")["schedule"]["cron"] == "0 2 * * *"
    changed = lavori("definitions", "update", "nightly", "-", "-o", "json", stdin='{"name": "Each night"}')
    assert json.loads(changed.out)["name"] == "Each night"
    assert lavori.json("definitions", "pause", "nightly")["schedule"]["enabled"] is False
    assert lavori.json("definitions", "resume", "nightly")["schedule"]["enabled"] is True
    heading, row = lavori("definitions", "list").out.splitlines()
    assert heading.split()[:3] == ["CODE", "TYPE", "CRON"]
    assert row.split()[:2] == ["nightly", "sleep"]
    made = lavori.json("definitions", "run", "nightly", "--arg", "steps=2")
    assert (made["definition"], made["args"]["steps"]) == ("nightly", 2)
    lavori("definitions", "run", "nightly", "--watch")
    assert lavori.json("definitions", "fires", "nightly") == []
    lavori("definitions", "delete", "nightly")
    lavori("definitions", "get", "nightly", code=5)
    lavori("definitions", "create", "none.json", code=2)


def test_the_schema_of_a_definition_is_fetched_only_where_a_word_is_read_by_it(lavori: Shell) -> None:
    def fetched() -> int:
        counts = lavori("api", "GET", "/metrics").out.splitlines()
        of_types = (
            line for line in counts if "request_duration_seconds_count" in line and "/job-types/{" in line
        )
        return sum(int(float(line.rpartition(" ")[2])) for line in of_types)

    asked = json.dumps({"code": "words", "type": "sleep", "args": {"seconds": 0}})
    lavori("definitions", "create", "-", stdin=asked)
    before = fetched()
    lavori("definitions", "run", "words")
    lavori("definitions", "run", "words", "--args", '{"steps": 2}', "--arg", "seconds:=0.1")
    assert fetched() == before
    (lavori.folder / "args.json").write_text('{"steps": 3}')
    made = lavori.json("definitions", "run", "words", "--args", "@args.json", "--arg", "fail=False")
    assert (made["args"]["steps"], made["args"]["fail"]) == (3, False)
    assert fetched() == before + 1


def test_workers_are_listed_drained_and_resumed(lavori: Shell) -> None:
    heading, *rows = lavori("workers", "list").out.splitlines()
    assert heading.split()[:4] == ["ID", "RUNNING", "OF", "TAGS"]
    (worker,) = lavori("workers", "list", "-o", "name").out.split()
    assert [row.split()[0] for row in rows] == [worker]
    job = lavori("submit", "sleep", "-a", "seconds=300", "-a", "steps=900", "-o", "name").out.strip()
    while lavori.json("get", job)["status"] == "pending":
        pass
    still = lavori("workers", "drain", worker, "--wait", "--timeout", "0", code=8)
    assert still.err == f"Not drained yet: {worker}.\n"
    lavori("cancel", job)
    (told,) = lavori.json("workers", "drain", worker, "--wait")
    assert (told["draining"], told["running"], lavori.json("get", job)["status"]) == (True, 0, "cancelled")
    assert told["drain_requested_at"]
    waiting = lavori("submit", "sleep", "-a", "seconds=0", "-a", "steps=1", "-o", "name").out.strip()
    lavori("watch", waiting, "--timeout", "1", code=8)
    (resumed,) = lavori.json("workers", "resume", worker)
    assert resumed["drain_requested_at"] is None
    lavori("watch", waiting)
    assert lavori("workers", "drain", worker, "nothing", code=5).err == "No such worker is alive.\n"
    lavori("workers", "resume", worker)


def test_a_schedule_is_previewed(lavori: Shell) -> None:
    told = lavori.json("schedule", "preview", "0 0 12 * * ?", "--timezone", "Europe/Rome", "-n", "3")
    assert len(told) == 3
    assert all(re.search(r"T12:00:00", one["local"]) for one in told)
    assert lavori("schedule", "preview", "not cron", code=1).out == ""


def test_keys_are_made_rotated_and_revoked(lavori: Shell) -> None:
    made = lavori("keys", "create", "for ci", "--principal", "ci", "--role", "user")
    secret, key_id = made.out.strip(), made.err.split()[1]
    assert re.fullmatch(r"lv_[0-9a-f_]+", secret)
    me = json.loads(lavori("whoami", "-o", "json", environ={"LAVORI_TOKEN": secret}).out)
    assert (me["principal"], me["roles"]) == ("ci", ["user"])
    rotated = lavori.json("keys", "rotate", key_id)["secret"]
    lavori("whoami", code=4, environ={"LAVORI_TOKEN": secret})
    assert "for ci" in lavori("keys", "list").out
    lavori("keys", "revoke", key_id)
    lavori("whoami", code=4, environ={"LAVORI_TOKEN": rotated})
    lavori("keys", "create", "x", "--principal", "x", "--role", "king", code=1)


def test_a_profile_is_kept_for_its_owner_alone(bare: Shell, system: str) -> None:
    told = bare("login", "work", "--url", system, stdin=KEY + "\n")
    path = Path(bare.environ["XDG_CONFIG_HOME"]) / "lavori" / "profiles.json"
    assert str(path) in told.err
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert bare.json("whoami")["principal"] == "admin"
    (row,) = bare.json("profiles", "list")
    assert (row["name"], row["current"], row["url"]) == ("work", True, system)
    assert KEY not in bare("profiles", "list").out
    bare("login", "other", "--url", system, code=4, stdin="a-wrong-key-for-the-tests\n")
    bare("profiles", "use", "other", code=2)
    bare("login", "other", "--url", system, stdin=KEY)
    bare("profiles", "use", "work")
    assert bare.json("whoami", "--profile", "other")["principal"] == "admin"
    bare("logout")
    assert [one["name"] for one in bare.json("profiles", "list")] == ["other"]
    bare("logout", "work", code=2)


def test_a_profiles_key_is_shown_to_no_other_server(bare: Shell, system: str) -> None:
    bare("login", "--url", system, stdin=KEY)
    ran = bare("whoami", "--url", system.replace("127.0.0.1", "localhost"), code=4)
    assert ran.out == ""


def test_exit_codes_are_as_promised(lavori: Shell, bare: Shell) -> None:
    lavori("no-such-command", code=2)
    lavori("submit", "nothing", code=1)
    lavori("whoami", code=4, environ={"LAVORI_TOKEN": "a-wrong-key-for-the-tests"})
    lavori("get", "0199f3c2-7b1e-7cc4-9d3e-5a1b2c3d4e5f", code=5)
    failed = lavori(
        "submit", "sleep", "-a", "seconds=0", "-a", "steps=1", "-a", "fail=true", "--watch", code=6
    )
    assert failed.err
    job = lavori("submit", "echo", "--run-at", "2126-01-01T00:00:00Z", "-o", "name").out.strip()
    still = lavori("watch", job, "--timeout", "0.2", code=8)
    assert job in still.err or "still" in still.err.lower()
    lavori("cancel", job)
    lavori("watch", job, code=7)
    bare("whoami", "--url", "http://127.0.0.1:9", code=9)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_completion(bare: Shell, shell: str) -> None:
    assert "_LAVORI_COMPLETE" in bare("completion", shell).out


def test_bash_completes_commands_and_types(lavori: Shell) -> None:
    folder = Path(LAVORI[0]).parent
    script = (
        "source <(lavori completion bash); COMP_WORDS=(lavori submit sle); COMP_CWORD=2; "
        "_lavori_completion lavori; echo ${COMPREPLY[@]}; COMP_WORDS=(lavori def); COMP_CWORD=1; "
        "_lavori_completion lavori; echo ${COMPREPLY[@]}"
    )
    environ = {**lavori.environ, "PATH": f"{folder}:{lavori.environ['PATH']}"}
    ran = subprocess.run(["bash", "-c", script], env=environ, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["sleep", "definitions"]


def test_a_pipe_that_closes_ends_a_list_quietly(lavori: Shell) -> None:
    command = f"{LAVORI[0]} api GET /api/openapi.json | head -c 10"
    ran = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], env=dict(lavori.environ), capture_output=True, check=False
    )
    assert (len(ran.stdout), ran.stderr) == (10, b"")


def test_escape_sequences_of_a_job_do_not_reach_a_terminal(lavori: Shell) -> None:
    lavori("submit", "echo", "--args", json.dumps({"evil": "\x1b]0;owned\x07"}), "-l", "of=evil")
    for form in ("table", "json", "csv", "jsonl"):
        told = lavori("list", "--label", "of=evil", "-o", form).out
        assert "\x1b" not in told
        assert "\x07" not in told


def test_the_doctor_says_what_is_wrong_and_what_to_do(
    bare: Shell, system: str, module_database_url: str, module_redis_url: str
) -> None:
    assert system
    environ = {
        "DATABASE_URL": module_database_url,
        "REDIS_URL": module_redis_url,
        "LAVORI_SECRET_KEYS": "a-secret-key-for-the-tests-of-32-bytes",
        "LAVORI_DATA": str(bare.folder),
    }
    told = bare("doctor", environ=environ).out
    assert re.search(r"^ok +PostgreSQL: 18", told, re.MULTILINE)
    assert re.search(r"^ok +schema: that of this version", told, re.MULTILINE)
    assert re.search(r"^ok +workers: [1-9]", told, re.MULTILINE)
    wrong = {**environ, "REDIS_URL": "redis://127.0.0.1:9/0", "DATABASE_URL": "postgresql://127.0.0.1:9/none"}
    ran = bare("doctor", code=1, environ=wrong)
    assert re.search(r"^FAULT +PostgreSQL: cannot be reached", ran.out, re.MULTILINE)
    assert re.search(r"^FAULT +Redis: cannot be reached", ran.out, re.MULTILINE)
    assert "Check DATABASE_URL" in ran.out
    assert bare("doctor", code=2).out == ""


def test_every_example_of_the_page_runs_as_it_stands_and_every_command_is_there(lavori: Shell) -> None:
    page = (Path(__file__).parents[2] / "docs/cli.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    environ = {**lavori.environ, "PATH": f"{Path(LAVORI[0]).parent}:{lavori.environ['PATH']}", "KEY": KEY}
    dues = Path(__file__).parents[2] / "docs/examples/dovuti.csv"
    (lavori.folder / "dovuti.csv").write_bytes(dues.read_bytes())
    ran = subprocess.run(
        ["bash", "-eu"],
        input="\n".join(blocks),
        cwd=lavori.folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, (ran.stdout, ran.stderr)
    commands = re.findall(
        r"^│ ([a-z][a-z-]+) ", lavori("--help", environ={"COLUMNS": "200"}).out, re.MULTILINE
    )
    assert {one for one in commands if f"lavori {one}" not in page} == set()
