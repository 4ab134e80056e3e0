"""Submitting, listing, watching and moving jobs, by command."""

import csv
import io
import json
import re
from pathlib import Path

from cli_shell import Shell

DUES = Path(__file__).parents[2] / "docs" / "examples" / "dovuti.csv"
SERVICE = "5f0c3c1e-6f0b-4a0e-9f39-1d1b7a6a2a11"
ID = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"


def test_a_job_that_is_watched_writes_its_output_to_stdout_and_its_progress_to_stderr(lavori: Shell) -> None:
    ran = lavori("submit", "sleep", "--arg", "seconds=0.5", "--arg", "output_bytes=11", "--watch")
    assert ran.out == "ori sleeps \n"
    told = ran.err.splitlines()
    assert re.fullmatch(r"#[0-9]+ sleep (pending|running 0%)", told[0])
    assert re.fullmatch(r"#[0-9]+ sleep finished: step 10 of 10", told[-1])
    assert any(re.fullmatch(r"#[0-9]+ sleep running [1-9]0%: step [1-9] of 10", line) for line in told)


def test_args_are_read_by_the_schema_of_their_type(lavori: Shell) -> None:
    words = ("--arg", "seconds=0", "--arg", "steps=1", "--arg", "fail=false")
    assert lavori.json("submit", "sleep", *words)["args"] == {"seconds": 0, "steps": 1, "fail": False}
    more = ("--arg", "zip=00123", "--arg", "count:=3", "--arg", 'deep:={"a": [1, "ü"]}', "--arg", "of=a=b")
    made = lavori.json("submit", "echo", "--args", '{"zip": "x", "more": null}', *more)
    assert made["args"] == {"zip": "00123", "more": None, "count": 3, "deep": {"a": [1, "ü"]}, "of": "a=b"}
    (lavori.folder / "args.json").write_text('{"from": "a file"}')
    assert lavori.json("submit", "echo", "--args", "@args.json")["args"] == {"from": "a file"}
    ran = lavori(
        "submit", "echo", "--args", "@-", "-o", "json", stdin='{"from": "stdin", "n": 12345678901234567}'
    )
    assert json.loads(ran.out)["args"] == {"from": "stdin", "n": 12345678901234567}


def test_what_else_a_creation_takes_can_be_said(lavori: Shell) -> None:
    made = lavori.json(
        *(
            "submit",
            "echo",
            "--label",
            "team=a",
            "-l",
            "env=b=c",
            "--priority",
            "high",
            "--description",
            "Mine",
        ),
        *(
            "--run-at",
            "2126-01-01T00:00:00Z",
            "--tag",
            "gpu",
            "--set",
            "category=C",
            "--set",
            "max_attempts:=3",
        ),
        *("--idempotency-key", "today"),
    )
    assert made["labels"] == {"team": "a", "env": "b=c"}
    assert (made["priority"], made["description"], made["worker_tag"]) == ("high", "Mine", "gpu")
    assert (made["run_at"], made["category"]) == ("2126-01-01T00:00:00.000Z", "C")
    assert (made["max_attempts"], made["idempotency_key"], made["status"]) == (3, "today", "pending")


def test_a_file_is_sent_along_and_the_same_command_with_the_same_key_makes_one_job(lavori: Shell) -> None:
    words = ("submit", "import_dovuti", str(DUES), "--arg", f"service_id={SERVICE}")
    first = lavori.json(*words, "--idempotency-key", "dues")
    assert (first["attachment"]["name"], first["attachment"]["mime_type"]) == ("dovuti.csv", "text/csv")
    assert first["attachment"]["size"] == DUES.stat().st_size
    assert lavori.json(*words, "--idempotency-key", "dues")["id"] == first["id"]
    assert lavori.json(*words)["id"] != first["id"], "each command has a key of its own"
    ran = lavori("watch", first["id"])
    assert json.loads(ran.out) == {"total": 200, "imported": 196, "updated": 0, "skipped": 0, "rejected": 4}
    assert ran.err.endswith(f"It made rejected.csv: lavori download {first['number']}\n")


def test_a_file_may_come_from_stdin_or_a_pipe_and_have_any_name(lavori: Shell) -> None:
    ran = lavori("submit", "echo", "-", "--name", "à (b); c.txt", "-o", "json", stdin=b"\x00" * 3_000_000)
    made = json.loads(ran.out)["attachment"]
    assert (made["name"], made["mime_type"], made["size"]) == ("à (b); c.txt", "text/plain", 3_000_000)
    (lavori.folder / "empty").touch()
    made = lavori.json("submit", "echo", "empty", "--mime-type", "application/x-odd")["attachment"]
    assert (made["name"], made["mime_type"], made["size"]) == ("empty", "application/x-odd", 0)


def test_a_list_is_a_table_and_whatever_programs_read(lavori: Shell) -> None:
    ids = [
        lavori("submit", "echo", "-a", f"n={n}", "-l", "of=lists", "-o", "name").out.strip() for n in (1, 2)
    ]
    assert all(re.fullmatch(ID, one) for one in ids)
    for one in ids:
        lavori("watch", one, "--quiet")
    mine = ("list", "--label", "of=lists")
    first, *rows = lavori(*mine).out.splitlines()
    assert re.fullmatch(r"NUMBER  TYPE  STATUS    %    CREATED  BY     ID +", first + " ")
    assert [re.sub(r"[0-9]+s", "0s", row).split()[1:] for row in rows] == [
        ["echo", "finished", "100", "0s", "admin", one] for one in reversed(ids)
    ]
    assert lavori(*mine, "-o", "name").out.split() == ids[::-1]
    assert [job["id"] for job in lavori.json(*mine)] == ids[::-1]
    lines = lavori(*mine, "-o", "jsonl").out.splitlines()
    assert [json.loads(line)["args"] for line in lines] == [{"n": "2"}, {"n": "1"}]
    table = list(csv.DictReader(io.StringIO(lavori(*mine, "-o", "csv").out)))
    assert [(row["id"], row["type"], row["percent_completed"]) for row in table] == [
        (one, "echo", "100") for one in reversed(ids)
    ]
    assert lavori(*mine, "--limit", "1", "-o", "name").out.split() == [ids[1]]
    assert (
        lavori(*mine, "--sort", "created_at", "--status", "finished,failed", "-o", "name").out.split() == ids
    )
    assert lavori(*mine, "--search", "nowhere", "-o", "json").out == "[]\n"
    assert lavori(*mine, "--type", "sleep", "-o", "csv").out.count("\n") == 1
    assert lavori(
        *mine, "--where", f"number={lavori.json('get', ids[0])['number']}", "-o", "name"
    ).out.split() == [ids[0]]


def test_all_means_all_pages(lavori: Shell) -> None:
    batch = json.dumps([{"type": "echo", "labels": {"of": "pages"}, "run_at": "2126-01-01T00:00:00Z"}] * 600)
    for _ in range(2):
        lavori("api", "POST", "/api/jobs/batch", "--input", "-", stdin=batch)
    mine = ("list", "--label", "of=pages", "-o", "name")
    assert len(set(lavori(*mine, "--all").out.split())) == 1_200
    assert len(lavori(*mine, "--limit", "1001").out.split()) == 1_001
    assert len(lavori(*mine).out.split()) == 30


def test_a_job_is_named_by_its_id_or_its_number_and_shown_whole(lavori: Shell) -> None:
    made = lavori.json("submit", "echo", "--args", '{"a": 1}', "--run-at", "2126-01-01T00:00:00Z")
    for ref in (made["id"], str(made["number"]), f"#{made['number']}"):
        assert lavori.json("get", ref) == made
    shown = dict(line.split(None, 1) for line in lavori("get", made["id"]).out.splitlines())
    assert (shown["id"], shown["status"], shown["args"]) == (made["id"], "pending", '{"a":1}')
    assert "output" not in shown, "what is empty is left out"
    assert shown["can_rerun"] == "yes"


def test_messages_are_listed_after_one_and_by_level(lavori: Shell) -> None:
    job = lavori("submit", "sleep", "-a", "seconds=0.1", "-a", "steps=3", "-o", "name").out.strip()
    lavori("watch", job, "-q")
    said = [json.loads(line) for line in lavori("messages", job, "-o", "jsonl").out.splitlines()]
    assert [one["text"] for one in said] == ["step 1 of 3", "step 2 of 3", "step 3 of 3"]
    assert lavori("messages", job, "--after", str(said[1]["seq"]), "-o", "jsonl").out.count("\n") == 1
    assert lavori("messages", job, "--level", "error", "-o", "jsonl").out == ""
    heading, *rows = lavori("messages", job).out.splitlines()
    assert heading.split() == ["SEQ", "TIME", "LEVEL", "TEXT"]
    assert rows[0].endswith("  info   step 1 of 3")


def test_jobs_are_cancelled_held_back_resumed_run_again_and_deleted(lavori: Shell) -> None:
    one, two = (
        lavori("submit", "echo", "--run-at", "2126-01-01T00:00:00Z", "-o", "name").out.strip() for _ in "ab"
    )
    assert [job["status"] for job in lavori.json("suspend", one, two)] == ["suspended", "suspended"]
    assert lavori.json("resume", one)["status"] == "pending"
    assert lavori("cancel", one, two, "-o", "name").out.split() == [one, two]
    again = lavori("rerun", one, "--watch")
    assert again.out == "{}\n"
    made = lavori.json("rerun", one, "--as-new")
    assert made["id"] not in (one, two)
    lavori("delete", one, two)
    lavori("get", one, code=5)


def test_one_that_is_refused_does_not_keep_the_others_from_being_moved(lavori: Shell) -> None:
    there = lavori("submit", "echo", "--run-at", "2126-01-01T00:00:00Z", "-o", "name").out.strip()
    missing = "0199f3c2-7b1e-7cc4-9d3e-5a1b2c3d4e5f"
    ran = lavori("cancel", missing, there, "-o", "name", code=5)
    assert ran.out.split() == [there]
    assert ran.err == "No such job.\n"
    ran = lavori("cancel", there, code=1)
    assert ran.err.startswith("The job is cancelled"), ran.err


def test_the_api_can_be_called_as_it_is(lavori: Shell) -> None:
    assert json.loads(lavori("api", "GET", "/api/me").out)["principal"] == "admin"
    made = lavori("api", "POST", "/api/jobs", "-f", "type=echo", "-f", 'args:={"a": 1}', "--include")
    assert made.out.startswith("HTTP 201\n")
    assert "\nLocation: /api/jobs/" in made.out
    assert json.loads(made.out.splitlines()[-1])["args"] == {"a": 1}
    patched = ("--input", "-", "-H", "Content-Type: application/merge-patch+json")
    job = json.loads(made.out.splitlines()[-1])["id"]
    ran = lavori("api", "patch", f"/api/jobs/{job}", *patched, stdin='{"description": "changed"}')
    assert json.loads(ran.out)["description"] == "changed"
    ran = lavori("api", "GET", "/api/jobs?limit=0", code=1)
    assert json.loads(ran.out)["code"] == "malformed", "the answer is data, in any case"
    assert ran.err.count("\n") == 1
