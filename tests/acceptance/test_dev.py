"""`lavori dev` and `make run`, with real processes, killed and stopped as it happens."""

import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dev_run import ROOT, Dev, alive, free_port, processes, until, until_given

CHILDREN = ("postgres", "valkey-server", " worker", " serve")


def test_it_says_how_to_use_it_and_ctrl_c_ends_everything_with_zero(tmp_path: Path) -> None:
    with Dev(tmp_path / "data").until_ready() as dev:
        said = dev.said()
        assert re.search(rf"dashboard +{re.escape(dev.url)}/#ticket=ls_[0-9a-f]{{48}}\n", said)
        assert f"{dev.url}/api\n" in said
        assert f"{dev.url}/api/doc\n" in said
        command = next(line for line in said.splitlines() if line.strip().startswith("curl "))
        assert f"Bearer {dev.admin_key}" in command
        assert command.endswith(f"{dev.url}/api/jobs")
        pids = [pid for mark in CHILDREN for pid in dev.children(mark)]
        assert len(pids) == len(CHILDREN)
        assert dev.stop(signal.SIGINT) == 0
        assert alive(pids) == []
        assert dev.said() == said, "a clean run prints nothing more"


def test_another_start_finds_the_same_data_and_the_same_key(tmp_path: Path) -> None:
    with Dev(tmp_path / "data").until_ready() as first:
        key = first.admin_key
        assert first.stop(signal.SIGTERM) == 0
    assert "database system is shut down" in (tmp_path / "data" / "postgres.log").read_text()
    with Dev(tmp_path / "data").until_ready() as second:
        assert second.admin_key == key
    assert "was shut down at" in (tmp_path / "data" / "postgres.log").read_text()


def test_the_curl_line_that_it_prints_imports_the_example_and_a_restart_keeps_the_job(tmp_path: Path) -> None:
    with Dev(tmp_path / "data").until_ready() as dev:
        command = next(line for line in dev.said().splitlines() if line.strip().startswith("curl "))
        created = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, check=True)
        path = f"/api/jobs/{json.loads(created.stdout)['id']}"
        until(lambda: dev.get(path)["status"] == "finished", "the import")
        done = dev.get(path)
        count = json.loads(done["output"])
        assert count["total"] == len((ROOT / "docs" / "examples" / "dovuti.csv").read_text().splitlines()) - 1
        assert count["imported"] + count["rejected"] == count["total"]
        assert count["imported"] > count["rejected"] > 0
        assert dev.stop() == 0
    with Dev(tmp_path / "data", dev.port).until_ready() as again:
        assert again.get(path) == done


def test_a_job_that_is_interrupted_by_ctrl_c_is_finished_after_the_next_start(tmp_path: Path) -> None:
    with Dev(tmp_path / "data", environ={"LAVORI_DRAIN_SECONDS": "0.5"}).until_ready() as dev:
        path = f"/api/jobs/{dev.post('/api/jobs', {'type': 'sleep', 'args': {'seconds': 3}})['id']}"
        until(lambda: dev.get(path)["status"] == "running", "the job's start")
        assert dev.stop() == 0
    with Dev(tmp_path / "data").until_ready() as again:
        until(lambda: again.get(path)["status"] == "finished", "the job's end")
        assert [attempt["outcome"] for attempt in again.get(f"{path}/attempts")["attempts"]] == [
            "handed_back",
            "finished",
        ]


def test_what_is_made_for_the_first_start_is_for_its_owner_alone(tmp_path: Path) -> None:
    with Dev(tmp_path / "data").until_ready():
        pass
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0
    assert (tmp_path / "data" / "secrets.json").stat().st_mode & 0o077 == 0
    assert (tmp_path / "data" / "valkey" / "valkey.conf").stat().st_mode & 0o077 == 0


def test_a_key_in_the_environment_wins(tmp_path: Path) -> None:
    key = "chosen-by-the-operator"
    with Dev(tmp_path / "data", environ={"LAVORI_ADMIN_KEY": key}).until_ready() as dev:
        assert dev.admin_key == key
    assert key not in (tmp_path / "data" / "secrets.json").read_text()


def test_every_child_that_is_killed_starts_again(tmp_path: Path) -> None:
    with Dev(tmp_path / "data").until_ready() as dev:
        for mark in CHILDREN:
            (before,) = dev.children(mark)
            os.kill(before, signal.SIGKILL)
            until(lambda mark=mark, old=before: dev.children(mark) not in ([], [old]), f"a new{mark}")  # type: ignore[misc]
            until(dev.answers, "an answer")
            path = f"/api/jobs/{until_given(lambda: dev.post('/api/jobs', {'type': 'echo'}))['id']}"
            until(lambda path=path: dev.get(path)["status"] == "finished", f"a job after the end of{mark}")  # type: ignore[misc]
            assert "ended (signal SIGKILL); starting it again" in dev.said()
        assert dev.stop() == 0


@pytest.mark.parametrize(
    ("name", "value"), [("JOB_TYPES", "there.is_no_such_module"), ("LAVORI_DIALECTS", "klingon")]
)
def test_what_its_children_could_not_load_is_told_before_anything_starts(
    tmp_path: Path, name: str, value: str
) -> None:
    with Dev(tmp_path / "data", environ={name: value}) as dev:
        assert dev.process.wait(30) == 2
        assert dev.said().count("\n") == 1
        assert name in dev.said()
    assert not (tmp_path / "data" / "postgres").exists()


def test_killing_the_supervisor_leaves_no_worker_and_the_next_start_works(tmp_path: Path) -> None:
    with Dev(tmp_path / "data").until_ready() as killed:
        pids = [pid for mark in (" worker", " serve") for pid in killed.children(mark)]
        killed.process.kill()
        killed.process.wait()
        with Dev(tmp_path / "data", killed.port).until_ready() as dev:
            assert alive(pids) == []
            assert dev.stop() == 0
    left = [command for _, _, command in processes() if str(tmp_path) in command]
    assert left == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children that their parent is gone")
def test_killing_the_supervisor_leaves_no_process_at_all(tmp_path: Path) -> None:
    with Dev(tmp_path / "data").until_ready() as dev:
        pids = [pid for mark in CHILDREN for pid in dev.children(mark)]
        dev.process.kill()
        until(lambda: not alive(pids), "the end of all children")


def test_a_stale_pid_file_with_a_number_that_is_in_use_again_does_not_matter(tmp_path: Path) -> None:
    pid_file = tmp_path / "data" / "postgres" / "postmaster.pid"
    with Dev(tmp_path / "data").until_ready() as dev:
        (postgres,) = dev.children("postgres")
        os.kill(dev.process.pid, signal.SIGSTOP)  # so that it cannot start PostgreSQL again
        os.kill(postgres, signal.SIGKILL)
        dev.process.kill()
        dev.process.wait()
    # The number now belongs to another process of ours, which must neither stop the start nor be stopped.
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]))
    with Dev(tmp_path / "data").until_ready() as again:
        assert again.stop() == 0


def test_several_workers_and_api_processes_run_beside_each_other(tmp_path: Path) -> None:
    environ = {"LAVORI_WORKERS": "2", "LAVORI_API_PROCESSES": "2"}
    with Dev(tmp_path / "data", environ=environ).until_ready() as dev:
        assert len(dev.children(" worker")) == 2
        assert len(dev.children(" serve")) == 2
        assert dev.stop() == 0


def test_a_port_that_is_taken_is_said_in_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with Dev(tmp_path / "data", port) as dev:
            assert dev.process.wait(30) == 1
            assert dev.said() == f"Port {port} of 127.0.0.1 is taken: set PORT to another, or free it.\n"


@pytest.mark.skipif(sys.platform != "linux", reason="reads a child's environment from /proc")
def test_serve_says_in_one_sentence_that_its_port_is_taken(tmp_path: Path) -> None:
    with Dev(tmp_path / "data").until_ready() as dev:
        (api,) = dev.children(" serve")
        environ = dict(
            word.split("=", 1) for word in Path(f"/proc/{api}/environ").read_text().split("\0") if word
        )
        second = subprocess.run(
            [sys.executable, "-m", "service", "serve"],
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert second.returncode == 1
        assert second.stderr == f"Port {dev.port} of 127.0.0.1 is taken: set PORT to another, or free it.\n"


def test_a_second_run_on_the_same_folder_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with Dev(tmp_path / "data").until_ready() as first, Dev(tmp_path / "data") as second:
        assert second.process.wait(30) == 1
        assert f"already runs on {tmp_path / 'data'} as pid {first.process.pid}:" in second.said()
        assert len(second.said().splitlines()) == 1
        assert first.answers()


def test_bad_settings_are_all_told_before_anything_starts(tmp_path: Path) -> None:
    with Dev(tmp_path / "data", environ={"LAVORI_WORKERS": "x", "LAVORI_ADMIN_KEY": "short"}) as dev:
        assert dev.process.wait(30) == 2
        assert [line.split()[0] for line in dev.said().splitlines()] == ["LAVORI_ADMIN_KEY", "LAVORI_WORKERS"]
    assert not (tmp_path / "data").exists()


def test_secrets_that_no_longer_fit_are_said_in_one_sentence(tmp_path: Path) -> None:
    with Dev(tmp_path / "data").until_ready():
        pass
    secrets = tmp_path / "data" / "secrets.json"
    secrets.write_text(json.dumps(json.loads(secrets.read_text()) | {"servers": "another"}))
    with Dev(tmp_path / "data") as dev:
        assert dev.process.wait(30) == 1
        assert "another password" in dev.said()
        assert len(dev.said().splitlines()) == 1


@pytest.mark.skipif(not (ROOT / "Makefile").exists(), reason="make run belongs to a checkout")
def test_ctrl_c_in_a_terminal_ends_make_run_with_zero(tmp_path: Path) -> None:
    environ = {**os.environ, "LAVORI_DATA": str(tmp_path / "data"), "PORT": str(free_port())}
    ours, terminal = pty.openpty()
    make = subprocess.Popen(
        # As a shell with job control does it: make is the foreground group of a terminal of its own.
        [sys.executable, "-c", TERMINAL_SHELL, "make", "--no-print-directory", "run"],
        cwd=ROOT,
        env=environ,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    said = b""
    deadline = time.monotonic() + 90
    sent = False
    while make.poll() is None and time.monotonic() < deadline:
        if select.select([ours], [], [], 0.1)[0]:
            try:
                said += os.read(ours, 65536)
            except OSError:  # the terminal's last user has gone
                break
        if not sent and re.search(rb"/api/jobs\r?\n", said):
            os.write(ours, b"\x03")
            sent = True
    assert make.wait(30) == 0, said.decode()
    assert b"make: ***" not in said, said.decode()
    os.close(ours)


TERMINAL_SHELL = """\
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
child = os.fork()
if child == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
