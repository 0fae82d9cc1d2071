# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import json
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.backup import restic
from ansible_collections.boxlift.portal.plugins.module_utils.backup.settings import Store
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

STORE = Store("local", "/srv/backup/portal", "/etc/boxlift-backup/password")
FULL = "1b38845076e4ff79f25130681e25e115309cc44726485fd94cac04292fb6e0ce"
# As restic 0.14 and 0.18 print them.
SNAPSHOT = {
    "time": "2026-11-30T11:13:42.985581149+05:00",
    "tree": "5e8d",
    "paths": ["/root/src"],
    "hostname": "production",
    "tags": ["boxlift", "until-17", "gtid-0-1-5"],
    "id": FULL,
    "short_id": FULL[:8],
}
SUMMARY_14 = (
    '{"message_type":"summary","data_added":3001814,"total_files_processed":2,"total_bytes_processed":3000003,'
    '"snapshot_id":"1b388450"}\n'
)
SUMMARY_18 = SUMMARY_14.replace("1b388450", FULL)


class Answers:
    """Runs nothing: answers in turn, and keeps what was asked."""

    def __init__(self, *answers: restic.Ended) -> None:
        self.answers = list(answers)
        self.asked: list[list[str]] = []
        self.envs: list[dict[str, str]] = []
        self.texts: list[str | None] = []

    def __call__(
        self,
        command: t.Sequence[str],
        env: t.Mapping[str, str],
        *,
        text: str | None = None,
        on_line: t.Callable[[str], None] | None = None,
        out: t.IO[bytes] | None = None,
        limit: float | None = None,
        folder: str | None = None,
    ) -> restic.Ended:
        self.asked.append(list(command))
        self.envs.append(dict(env))
        self.texts.append(text)
        ended = self.answers.pop(0)
        if on_line is not None:
            for line in ended.out.splitlines(keepends=True):
                on_line(line)
        return ended


def good(out: str = "") -> restic.Ended:
    return restic.Ended(0, out, "")


def test_snapshots_are_listed_by_their_tags() -> None:
    run = Answers(good(json.dumps([SNAPSHOT])))
    (found,) = restic.Restic(STORE, run=run).snapshots("boxlift", "good")
    assert run.asked == [["restic", "--no-cache", "snapshots", "--json", "--tag", "boxlift,good"]]
    assert (found.id, found.host, found.paths) == (FULL, "production", ("/root/src",))
    assert found.time == pytest.approx(1796019222.985581)
    assert (found.tagged("until-"), found.tagged("copy-")) == ("17", "")


def test_a_repository_without_snapshots_answers_null() -> None:
    assert restic.Restic(STORE, run=Answers(good("null\n"))).snapshots() == []


def test_the_environment_holds_nothing_of_the_caller(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", "/etc/ssl/ca.pem")
    variables = tmp_path / "environment"
    variables.write_text("# the account\nAWS_ACCESS_KEY_ID=portal\nAWS_SECRET_ACCESS_KEY=se=cret\n")
    run = Answers(good("[]"))
    restic.Restic(
        Store("s3", "s3:https://x/y", "/pw", environment_file=str(variables)), run=run, cache="/c"
    ).snapshots()
    env = run.envs[0]
    assert "AWS_CA_BUNDLE" not in env
    assert (env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]) == ("portal", "se=cret")
    assert (env["RESTIC_PASSWORD_FILE"], env["RESTIC_CACHE_DIR"]) == ("/pw", "/c")
    assert "cret" not in " ".join(run.asked[0])


def test_an_environment_file_with_another_line_is_refused_without_showing_it(tmp_path: Path) -> None:
    variables = tmp_path / "environment"
    variables.write_text("export KEY=secret\n")
    with pytest.raises(BoxliftError, match="a line that is not NAME=VALUE") as failed:
        restic.Restic(Store("s3", "s3:x", "/pw", environment_file=str(variables)), run=Answers()).snapshots()
    assert "secret" not in failed.value.message + failed.value.remedy


@pytest.mark.parametrize(("repository", "option"), [("rclone:", "rclone.program"), ("sftp:u@h:/x", "sftp.command")])
def test_the_program_of_a_backend_is_quoted_as_restic_reads_it(repository: str, option: str) -> None:
    run = Answers(good("[]"))
    store = Store("far", repository, "/pw", program=("ssh", "-i", "/a key", "u@h"), ca_file="/ca.pem")
    restic.Restic(store, run=run).snapshots()
    assert run.asked[0][:5] == ["restic", "-o", f"{option}=ssh -i '/a key' u@h", "--cacert", "/ca.pem"]


@pytest.mark.parametrize("summary", [SUMMARY_14, SUMMARY_18])
def test_what_was_stored_has_the_full_id_with_both_versions(summary: str) -> None:
    run = Answers(good(summary), good(json.dumps([SNAPSHOT])))
    saved = restic.Restic(STORE, run=run).backup(["/root/src"], ["boxlift", "x"], ["*.tmp"])
    assert saved == restic.Saved(FULL, 2, 3000003, 3001814)
    assert run.asked[0][2:] == [
        *("backup", "--json", "--tag", "boxlift", "--tag", "x", "--exclude", "*.tmp", "--", "/root/src")
    ]


def test_unread_files_are_those_that_are_there_and_not_in_the_snapshot(tmp_path: Path) -> None:
    for name in ("unread", "again"):
        (tmp_path / name).write_text("x")
    complaints = "".join(
        json.dumps({"message_type": "error", "error": {}, "during": "archival", "item": str(tmp_path / name)}) + "\n"
        for name in ("unread", "again", "vanished")
    )
    node = {
        "struct_type": "node",
        "path": str(tmp_path / "again"),
        "type": "file",
        "size": 1,
        "mtime": "2026-11-30T11:13:42Z",
    }
    run = Answers(restic.Ended(3, SUMMARY_18, complaints), good(json.dumps(node)))
    assert restic.Restic(STORE, run=run).backup(["/root/src"], ["boxlift"]).unread == (str(tmp_path / "unread"),)


def test_progress_is_told() -> None:
    told: list[dict[str, t.Any]] = []
    status = '{"message_type":"status","percent_done":0.1,"total_bytes":100,"bytes_done":10,"files_done":2}\n'
    restic.Restic(STORE, run=Answers(good(status + SUMMARY_18))).backup(["/x"], ["boxlift"], on_progress=told.append)
    assert told == [{"done": 10, "total": 100, "files": 2}]


NOT_THERE = "unable to open config file: stat /r/config: no such file or directory\nIs there a repository at …?\n/r"
LOCKED = "repository is already locked by PID 684 on production by root (UID 0, GID 0)\nlock was created at …\n"


@pytest.mark.parametrize(
    ("code", "complaints", "expected"),
    [
        (1, "Fatal: wrong password or no key found", "wrong_password"),
        (
            12,
            '{"message_type":"exit_error","code":12,"message":"Fatal: wrong password or no key found"}',
            "wrong_password",
        ),
        (1, f"Fatal: {NOT_THERE}", "no_repository"),
        (1, "Fatal: unable to open config file: <config/> does not exist\nIs there a repository …", "no_repository"),
        (10, "", "no_repository"),
        (1, f"unable to create lock in backend: {LOCKED}", "locked"),
        (11, LOCKED, "locked"),
        (1, "Fatal: unable to save snapshot: write /r/data/5a/tmp: no space left on device", "full"),
        (
            1,
            "rclone: ERROR : locks/78: Post request rcat error: preallocate: file too big for remaining disk space\n"
            "unable to create lock in backend: server response unexpected: 500 Internal Server Error (500)",
            "full",
        ),
        (
            1,
            "rclone: ssh: connect to host 127.0.0.1 port 1: Connection refused\nFatal: unable to open …",
            "unreachable",
        ),
        (1, "subprocess ssh: Host key verification failed.\nFatal: unable to start the sftp session", "unreachable"),
        (
            1,
            "Fatal: unable to open repository at rclone:: error talking HTTP to rclone: exit status 255",
            "unreachable",
        ),
        (restic.TIMED_OUT, "", "unreachable"),
        (1, "Fatal: Load(<index/1>) invalid data returned", "damaged"),
        (1, "Fatal: something new", "other"),
        (-9, "", "other"),
    ],
)
def test_each_failure_has_a_code_a_reason_and_a_remedy(code: int, complaints: str, expected: str) -> None:
    with pytest.raises(restic.ResticFailed) as failed:
        restic.Restic(STORE, run=Answers(restic.Ended(code, "", complaints))).snapshots()
    assert failed.value.code == expected
    assert "/srv/backup/portal (local)" in failed.value.message
    assert failed.value.remedy
    assert failed.value.as_result()["code"] == expected


def test_the_notice_of_rclone_is_no_reason() -> None:
    notice = 'rclone: 2026/11/30 11:24:26 NOTICE: Config file "/x/rclone.conf" not found - using defaults\n'
    with pytest.raises(restic.ResticFailed) as failed:
        restic.Restic(STORE, run=Answers(restic.Ended(1, "", f"{notice}Fatal: something new"))).snapshots()
    assert "NOTICE" not in failed.value.message


def test_a_lock_of_a_living_process_is_waited_for() -> None:
    slept: list[float] = []
    locked = restic.Ended(11, "", LOCKED)
    run = Answers(locked, locked, good("[]"))
    assert restic.Restic(STORE, run=run, patience=60, sleep=slept.append).snapshots() == []
    assert slept == [5, 5]


def test_a_lock_is_not_waited_for_without_end() -> None:
    slept: list[float] = []
    run = Answers(*[restic.Ended(1, "", LOCKED)] * 4)
    with pytest.raises(restic.ResticFailed) as failed:
        restic.Restic(STORE, run=run, patience=15, sleep=slept.append).snapshots()
    assert (failed.value.code, slept) == ("locked", [5, 5, 5])


def test_all_calls_share_the_patience_and_what_a_dead_process_has_left_goes_meanwhile() -> None:
    locked = restic.Ended(11, "", LOCKED)

    class Repository(Answers):
        """Locked until a dead process's lock is taken for dead, at the third time that one asks for it."""

        def __call__(self, command: t.Sequence[str], env: t.Mapping[str, str], **how: t.Any) -> restic.Ended:
            self.asked.append(list(command))
            if "unlock" in command:
                return good()
            return good("[]") if self.unlocks() >= 3 else locked

        def unlocks(self) -> int:
            return sum("unlock" in command for command in self.asked)

    slept: list[float] = []
    run = Repository()
    made = restic.Restic(STORE, run=run, patience=1790, sleep=slept.append)
    assert made.snapshots() == []
    assert (sum(slept), run.unlocks()) == (1800, 3)
    run.asked.clear()
    with pytest.raises(restic.ResticFailed):
        made.snapshots()
    assert len(run.asked) == 1


def test_who_only_asks_takes_no_lock_unless_a_prune_removes_what_is_read() -> None:
    run = Answers(good("[]"), restic.Ended(1, "", "Fatal: id 4f3a not found in repository"), good("[]"))
    made = restic.Restic(STORE, run=run, only_asks=True)
    assert made.snapshots() == [] == made.snapshots()
    assert [("--no-lock" in command) for command in run.asked] == [True, True, False]
    with pytest.raises(restic.ResticFailed) as failed:
        restic.Restic(STORE, run=Answers(restic.Ended(12, "", "")), only_asks=True).snapshots()
    assert failed.value.code == "wrong_password"


def test_whether_there_is_a_repository() -> None:
    assert restic.Restic(STORE, run=Answers(good("{}"))).exists()
    assert not restic.Restic(STORE, run=Answers(restic.Ended(10, "", ""))).exists()
    with pytest.raises(restic.ResticFailed):
        restic.Restic(STORE, run=Answers(restic.Ended(12, "", ""))).exists()


PACK = "2c132f36ff98a5094b9b84e07c7fa7c11571bc03535cd43216f74001e799d555"


@pytest.mark.parametrize(
    "said",
    [
        f"Pack ID does not match, want {PACK}, got {'6' * 64}",
        f"pack {PACK} contains 2 errors: [blob {'4' * 64}: decrypting blob failed: ciphertext verification failed]",
        f"pack {PACK}: does not exist",
    ],
)
def test_a_check_names_the_damaged_pack_file(said: str) -> None:
    whole = f"load indexes\n{said}\n\nrestic repair packs {PACK}\nFatal: repository contains errors\n"
    run = Answers(restic.Ended(1, whole, ""))
    (fault,) = restic.Restic(STORE, run=run).check((3, 7))
    assert (fault.pack, fault.text) == (PACK, said)
    assert run.asked[0][2:] == ["check", "--read-data-subset=3/7"]


def test_a_check_names_a_broken_tree_once() -> None:
    lines = "".join(f'  tree {PACK}: file "a" blob {each * 64} not found in index\n' for each in "abc")
    said = f"error for tree 2c132f36:\n{lines}Fatal: repository contains errors\n"
    (fault,) = restic.Restic(STORE, run=Answers(restic.Ended(1, "", said))).check()
    assert (fault.pack, fault.tree) == ("", PACK)


def test_a_check_that_cannot_look_is_no_fault_and_no_success() -> None:
    with pytest.raises(restic.ResticFailed) as failed:
        restic.Restic(STORE, run=Answers(restic.Ended(1, "", LOCKED))).check((1, 7), lock=False)
    assert failed.value.code == "locked"


def test_what_was_removed_is_looked_for() -> None:
    """restic 0.18 ends with 0 where an append-only repository has refused."""
    run = Answers(good(), good(json.dumps([SNAPSHOT])))
    with pytest.raises(restic.ResticFailed, match="still there"):
        restic.Restic(STORE, run=run).forget([FULL])


def test_an_append_only_store_is_asked_for_nothing_that_it_refuses() -> None:
    made = restic.Restic(Store("far", "rclone:", "/pw", append_only=True), run=Answers())
    for work in (lambda: made.forget([FULL]), made.prune, lambda: made.repair([PACK], "/x")):
        with pytest.raises(BoxliftError, match="can remove nothing"):
            work()


def test_a_typed_password_goes_through_a_pipe_alone() -> None:
    run = Answers(good("{}"), restic.Ended(12, "", ""))
    made = restic.Restic(STORE, run=run)
    assert made.opened_by("from the paper")
    assert not made.opened_by("misread")
    assert run.texts == ["from the paper", "misread"]
    assert run.envs[0]["RESTIC_PASSWORD_FILE"] == "/dev/stdin"
    assert "paper" not in str(run.asked) + str(run.envs)


def test_packs_are_repaired_by_the_command_that_the_version_has(tmp_path: Path) -> None:
    pack = tmp_path / "repository" / "data" / PACK[:2] / PACK
    pack.parent.mkdir(parents=True)
    pack.write_text("damaged")
    store = Store("local", str(tmp_path / "repository"), "/pw")
    new = Answers(good("restic 0.18.0 compiled with go1.24"), good())
    restic.Restic(store, run=new).repair([PACK], str(tmp_path / "aside"))
    assert new.asked[1][2:] == ["repair", "packs", PACK]
    old = Answers(good("restic 0.14.0 compiled with go1.19"), good())
    restic.Restic(store, run=old).repair([PACK], str(tmp_path / "aside"))
    assert old.asked[1][2:] == ["rebuild-index"]
    assert (tmp_path / "aside" / PACK).read_text() == "damaged"
    assert not pack.exists()


def test_copies_between_repositories_name_both_and_no_password() -> None:
    run = Answers(good())
    far = restic.Restic(Store("far", "sftp:u@h:/r", "/pw2"), run=run)
    far.copy_from(restic.Restic(STORE, run=run), [FULL])
    assert run.asked[0][2:] == ["copy", FULL]
    assert run.envs[0]["RESTIC_REPOSITORY"] == "sftp:u@h:/r"
    assert run.envs[0]["RESTIC_FROM_REPOSITORY"] == "/srv/backup/portal"
    assert run.envs[0]["RESTIC_FROM_PASSWORD_FILE"] == "/etc/boxlift-backup/password"


SECRET = "canary-of-the-address"


@pytest.mark.parametrize(
    ("before", "secret", "shown"),
    [
        ("rest:https://portal:", SECRET, "rest:https://portal:***@far.example:8000/portal/"),
        ("rest:https://portal:", f"x@{SECRET}", "rest:https://portal:***@far.example:8000/portal/"),
        ("rest:https://:", f"{SECRET}/x", "rest:https://:***@far.example:8000/portal/"),
    ],
)
def test_the_password_in_an_address_is_shown_nowhere(before: str, secret: str, shown: str) -> None:
    repository = f"{before}{secret}@far.example:8000/portal/"
    store = Store("far", repository, "/pw", append_only=True)
    assert store.place == shown
    said = f'Fatal: Get "{repository.partition(":")[2]}config": the server of portal with {secret} said no'
    run = Answers(restic.Ended(1, "", said), restic.Ended(1, f"error: {said}", ""), good())
    made = restic.Restic(store, run=run)
    with pytest.raises(restic.ResticFailed) as failed:
        made.snapshots()
    assert f"Repository {shown} (far)" in failed.value.message
    told = [failed.value.message, *(fault.text for fault in made.check())]
    with pytest.raises(BoxliftError) as refused:
        made.prune()
    told += [refused.value.message, refused.value.remedy]
    restic.Restic(STORE, run=run).copy_from(made, [FULL])
    told += [word for command in run.asked for word in command]
    assert not [text for text in told if SECRET in text]


@pytest.mark.parametrize(
    "repository", ["rest:https://far.example:8000/portal/", "sftp:keeper@far.example:/srv/portal", "/srv/backup/portal"]
)
def test_an_address_without_a_password_is_shown_as_it_is(repository: str) -> None:
    assert Store("far", repository, "/pw").place == repository


# A program in the place of restic, which keeps what it is given and says what the real one says.
TAKER = """\
#!{python}
import os, sys
given = sys.stdin.buffer.read({most})
open({kept!r}, "wb").write(given)
locked = {kept!r} + ".locked"
if os.path.exists(locked):
    os.unlink(locked)
    sys.stderr.write("unable to create lock in backend: repository is already locked by PID 684")
    sys.exit(1)
if sys.argv[-2:] == ["cat", "config"]:
    sys.exit(0)
if {code}:
    sys.stderr.write("Fatal: unable to save snapshot: write /r: no space left on device\\n")
    sys.exit({code})
print('{{"message_type":"summary","data_added":1,"total_files_processed":1,"total_bytes_processed":2,"snapshot_id":"{id}"}}')
"""


def taker(folder: Path, code: int = 0, most: int = -1) -> restic.Restic:
    program = folder / "restic"
    program.write_text(TAKER.format(python=sys.executable, kept=str(folder / "kept"), code=code, most=most, id=FULL))
    program.chmod(0o755)
    return restic.Restic(STORE, program=str(program))


@pytest.mark.parametrize("patience", [60, 0])
def test_a_stream_begins_anew_when_the_lock_of_a_prune_has_gone(tmp_path: Path, patience: float) -> None:
    made = taker(tmp_path)
    slept: list[float] = []
    patient = restic.Restic(STORE, program=str(tmp_path / "restic"), patience=patience, sleep=slept.append)
    (tmp_path / "kept.locked").touch()
    given = (maker("import sys; sys.stdout.write('x' * 3000000)"), "a", ["boxlift"])
    if not patience:
        with pytest.raises(restic.ResticFailed) as failed:
            patient.backup_stream(*given)
        assert failed.value.code == "locked"
        assert made.backup_stream(*given).bytes == 3000000
        return
    assert (patient.backup_stream(*given).bytes, slept) == (3000000, [5])
    assert (tmp_path / "kept").stat().st_size == 3000000


def maker(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def test_a_stream_is_stored_with_what_its_program_said(tmp_path: Path) -> None:
    proven, passed = [], []
    saved = taker(tmp_path).backup_stream(
        maker("import sys; sys.stdout.write('x' * 3000000); sys.stderr.write('completed OK!')"),
        "a",
        ["boxlift"],
        prove=proven.append,
        on_bytes=passed.append,
    )
    assert (saved.snapshot, saved.bytes, saved.said) == (FULL, 3000000, "completed OK!")
    assert proven == ["completed OK!"]
    assert passed[-1] == 3000000
    assert (tmp_path / "kept").stat().st_size == 3000000


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import os; os.write(1, b'x' * 100); os.kill(os.getpid(), 9)", "was killed by signal 9 after 100 bytes"),
        ("import os; os.write(1, b'x' * 2000000); os.kill(os.getpid(), 9)", "killed by signal 9 after 2000000 bytes"),
        ("import sys; sys.stdout.write('x'); sys.exit('access denied')", "ended with 1 after 1 bytes"),
        ("pass", "wrote nothing, and said that all is well"),
    ],
)
def test_of_a_program_that_failed_the_taker_never_sees_the_end(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(restic.ProducerFailed, match=said):
        taker(tmp_path).backup_stream(maker(text), "a", ["boxlift"])
    assert not (tmp_path / "kept").exists()


def test_what_is_not_proven_is_not_stored(tmp_path: Path) -> None:
    def prove(_words: str) -> None:
        raise restic.ProducerFailed("without its last word", "again")

    with pytest.raises(restic.ProducerFailed, match="last word"):
        taker(tmp_path).backup_stream(maker("print('x')"), "a", ["boxlift"], prove=prove)
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize("most", [-1, 10])
def test_a_full_repository_is_the_reason_and_the_program_is_gone(tmp_path: Path, most: int) -> None:
    """Whether restic ends in the middle of the stream, or after it."""
    with pytest.raises(restic.ResticFailed) as failed:
        taker(tmp_path, 1, most).backup_stream(maker("import sys; sys.stdout.write('x' * 5000000)"), "a", ["boxlift"])
    assert failed.value.code == "full"


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(BoxliftError, match="/nowhere/restic cannot be started"):
        restic.Restic(STORE, program="/nowhere/restic").snapshots()


def test_a_command_is_ended_after_its_limit() -> None:
    ended = restic.run_command([sys.executable, "-c", "import time; time.sleep(600)"], {}, limit=0.1)
    assert ended.code == restic.TIMED_OUT


def test_output_goes_to_a_file_where_one_is_given(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:
        restic.run_command([sys.executable, "-c", "print('x')"], {}, out=out)
    assert (tmp_path / "out").read_text() == "x\n"
    assert isinstance(out, io.BufferedWriter)
