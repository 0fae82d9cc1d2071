# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The chain of a journal: written by several processes, killed anywhere, edited in every way."""

from __future__ import annotations

import collections
import errno
import fcntl
import hashlib
import json
import multiprocessing
import os
import random
import stat
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import verify, writer
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import UNKNOWN, read

SEED = 18
PROGRAM = Path(verify.__file__)


def line(path: Path, event: str = "note", **fields: t.Any) -> verify.Link:
    return writer.append(str(path), event, fields)


def judged(path: Path, noted: str = "") -> verify.Verdict:
    return verify.verify(path.read_bytes(), noted)


def attempts(path: Path, step: str) -> list[str]:
    return [attempt.outcome for attempt in read([str(path)]).steps.get(step, [])]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A run with two steps that ended well, and texts that look like the end of a line."""
    path = tmp_path / "move.jsonl"
    line(path, "start", version=2, playbook="cutover", process="")
    for number, step in enumerate(("move.fetch", "move.restore")):
        line(path, "step", step=step, state="begin", operator="анна")
        line(path, "play", name=f'{number},"seq":1,"prev":"{"a" * 64}","hash":"{"b" * 64}"}}\n', check=False)
        line(path, "task", start="2026-04-18T18:04:11.000Z", seconds=1.25, name="x", play="", role="", action="a",
             host="h", status="ok", results=[{"bytes": 31540211712}])  # fmt: skip
        line(path, "step", step=step, state="end", outcome="ok", values={"rows": 5})
    return path


# -- what is written


def test_every_line_is_chained_to_the_one_before(journal: Path) -> None:
    lines = journal.read_bytes().splitlines(keepends=True)
    links = [verify.link_of(one) for one in lines]
    assert [link.seq for link in links if link] == list(range(1, len(lines) + 1))
    assert links[0] and links[0].prev == hashlib.sha256(b"").hexdigest()
    for before, after in zip(links, links[1:]):
        assert before and after and after.prev == before.hash
    # As docs/architecture.md says: the bytes up to the field, by any other tool.
    assert links[3] and hashlib.sha256(lines[3].rpartition(b',"hash":')[0]).hexdigest() == links[3].hash
    verdict = judged(journal)
    assert (verdict.code, verdict.lines, verdict.head) == (verify.WHOLE, 9, links[-1].hash if links[-1] else "")
    assert stat.S_IMODE(journal.stat().st_mode) == 0o600


def test_only_the_tail_is_read(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line(journal, "task", results=["x" * 1_000_000])
    pread, seen = os.pread, []

    def counted(descriptor: int, size: int, offset: int) -> bytes:
        seen.append(size)
        return pread(descriptor, size, offset)

    monkeypatch.setattr(writer.os, "pread", counted)
    line(journal)
    assert sum(seen) <= 512


def test_a_long_line_that_was_cut_off_is_sealed_too(journal: Path) -> None:
    line(journal, "task", results=["x" * 100_000])
    journal.write_bytes(journal.read_bytes()[:-1000])
    line(journal)
    verdict = judged(journal)
    assert (verdict.code, verdict.lines, verdict.closed) == (verify.WHOLE, 11, 1)


def written_by(path: str, name: int) -> None:
    for number in range(25):
        writer.append(path, "play", {"name": f"{name}.{number}", "padding": "ü" * (number * 97)})


def test_several_processes_write_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "move.jsonl"
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=written_by, args=(str(path), name)) for name in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 6
    assert (judged(path).code, judged(path).lines) == (verify.WHOLE, 150)
    names = [json.loads(one)["name"] for one in path.read_text(encoding="utf-8").splitlines()]
    assert sorted(names) == sorted(f"{name}.{number}" for name in range(6) for number in range(25))


def test_a_journal_without_a_chain_is_continued_and_sealed(tmp_path: Path) -> None:
    path = tmp_path / "move.jsonl"
    old = '{"event":"start","time":"2026-04-18T18:04:11.000Z","version":1,"playbook":"fetch"}\n{"event":"play","ti'
    path.write_text(old, encoding="utf-8")
    line(path)
    line(path)
    verdict = judged(path)
    assert (verdict.code, verdict.lines, verdict.unchained) == (verify.WHOLE, 2, 2)
    path.write_bytes(path.read_bytes().replace(b"fetch", b"Fetch"))
    verdict = judged(path)
    assert (verdict.code, verdict.line) == (verify.EDITED, 1)


def test_a_write_that_fails_leaves_nothing_behind(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = journal.read_bytes()
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        if len(data) > 20:
            return write(descriptor, data[:10])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(writer.os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        line(journal)
    assert journal.read_bytes() == before


def test_who_holds_the_lock_for_long_is_looked_for(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "LONGEST_WAIT", 0.02)
    with journal.open("rb") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(BoxliftError, match="locked by another process") as error:
            line(journal)
    assert f"fuser -v {journal}" in error.value.remedy
    line(journal)


# -- kills and edits


def torn(content: bytes, dice: random.Random) -> bytes:
    """Killed in the middle of the last write."""
    last = content.rstrip(b"\n").rfind(b"\n") + 1
    return content[: dice.randrange(last + 1, len(content) - 1)]


def flipped(content: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(content))
    return content[:at] + bytes([content[at] ^ (1 << dice.randrange(8))]) + content[at + 1 :]


def lines_changed(change: t.Callable[[list[bytes], random.Random], None]) -> t.Callable[[bytes, random.Random], bytes]:
    def edit(content: bytes, dice: random.Random) -> bytes:
        lines = content.splitlines(keepends=True)
        change(lines, dice)
        return b"".join(lines)

    return edit


def deleted(lines: list[bytes], dice: random.Random) -> None:
    del lines[dice.randrange(len(lines) - 1)]  # the last one is a matter of the noted head


def swapped(lines: list[bytes], dice: random.Random) -> None:
    one, other = dice.sample(range(len(lines)), 2)
    lines[one], lines[other] = lines[other], lines[one]


def repeated(lines: list[bytes], dice: random.Random) -> None:
    lines.insert(dice.randrange(len(lines) + 1), dice.choice(lines))


def inserted(lines: list[bytes], dice: random.Random) -> None:
    lines.insert(dice.randrange(len(lines) + 1), b'{"event":"step","step":"move.fetch","state":"end","outcome":"ok"}\n')


def forged(lines: list[bytes], dice: random.Random) -> None:
    """One line changed by somebody who knows how its own hash is made."""
    at = dice.randrange(len(lines) - 1)
    body = lines[at].rpartition(b',"hash":')[0].replace(b'"time":"2', b'"time":"1')
    lines[at] = body + b',"hash":"' + hashlib.sha256(body).hexdigest().encode() + b'"}\n'


def cut(lines: list[bytes], dice: random.Random) -> None:
    del lines[dice.randrange(len(lines)) :]


EDITS: dict[str, tuple[t.Callable[[bytes, random.Random], bytes], set[int]]] = {
    "flipped": (flipped, {verify.EDITED, verify.TORN}),  # torn: its last newline
    "deleted": (lines_changed(deleted), {verify.GAP}),
    "swapped": (lines_changed(swapped), {verify.REORDERED}),
    "repeated": (lines_changed(repeated), {verify.REORDERED}),
    "inserted": (lines_changed(inserted), {verify.EDITED}),
    "forged": (lines_changed(forged), {verify.EDITED, verify.REORDERED}),  # reordered: half a line made whole
}


def test_a_thousand_kills_and_edits(tmp_path: Path) -> None:
    dice = random.Random(SEED)
    path = tmp_path / "move.jsonl"
    line(path, "start", version=2, playbook="cutover", process="")
    found: collections.Counter[str] = collections.Counter()
    kills = 0
    for number in range(1000):
        if number % 40 == 0:  # a journal anew, that grows with every kill
            path.unlink()
            line(path, "start", version=2, playbook="cutover", process="")
            line(path, "step", step="a", state="begin")
            line(path, "step", step="a", state="end", outcome="ok", values={"n": dice.random(), "t": "ü\u2028" * 9})
        if number % 4 == 0:
            step = f"killed.{number}"
            line(path, "step", step=step, state="begin")
            line(path, "step", step=step, state="end", outcome="ok", values={"bytes": dice.randrange(10**12)})
            whole = path.read_bytes()
            path.write_bytes(torn(whole, dice))
            assert judged(path).code == verify.TORN
            assert attempts(path, step) == [UNKNOWN]
            line(path, "start", version=2, playbook="cutover", process="")  # the next run
            assert judged(path).code == verify.WHOLE
            assert attempts(path, step) == [UNKNOWN]
            kills += 1
        else:
            name = dice.choice(list(EDITS))
            edit, codes = EDITS[name]
            content = path.read_bytes()
            edited = edit(content, dice)
            verdict = verify.verify(edited)
            assert edited != content
            # What is left of a killed write has no number that could be missing or misplaced.
            assert verdict.code in codes | {verify.EDITED}, (name, verdict)
            assert 1 <= verdict.line <= edited.count(b"\n") + 1
            found[name] += 1
    assert judged(path).closed == 10
    assert (kills, sum(found.values()), len(found)) == (250, 750, len(EDITS))


def acknowledged(path: str, pipe: int, number: int) -> None:
    while True:
        link = writer.append(path, "note", {"writer": number, "padding": "x" * random.randrange(40_000)})
        os.write(pipe, f"{link.seq} {link.hash}\n".encode())


def test_no_line_that_was_acknowledged_is_lost_when_its_writer_is_killed(tmp_path: Path) -> None:
    """Two writers at a time, each killed at some moment; the lock dies with its holder."""
    dice = random.Random(SEED)
    path = tmp_path / "move.jsonl"
    context = multiprocessing.get_context("fork")
    told: dict[int, str] = {}
    for _round in range(10):
        ends = [os.pipe() for _number in range(2)]
        writers = [
            context.Process(target=acknowledged, args=(str(path), out, number))
            for number, (_in, out) in enumerate(ends)
        ]
        for one in writers:
            one.start()
        for _incoming, outgoing in ends:
            os.close(outgoing)
        pipes = [os.fdopen(incoming) for incoming, _outgoing in ends]
        said = [[pipe.readline() for _line in range(dice.randrange(1, 8))] for pipe in pipes]
        for one in writers:  # before their pipes are read to the end: each writer holds both
            one.kill()
            one.join(60)
        for pipe, lines in zip(pipes, said):
            with pipe:
                lines += pipe.readlines()
            told.update((int(number), head) for number, head in (line.split() for line in lines))
        assert judged(path).code in (verify.WHOLE, verify.TORN)
    line(path)
    assert judged(path).code == verify.WHOLE
    links = [link for one in path.read_bytes().splitlines(keepends=True) if (link := verify.link_of(one))]
    assert len(told) > 50
    assert told.items() <= {link.seq: link.hash for link in links}.items()


def test_missing_lines_at_the_end_show_only_against_a_noted_head(journal: Path) -> None:
    dice = random.Random(SEED)
    content, head = journal.read_bytes(), judged(journal).head
    for number in range(50):
        edited = lines_changed(cut)(content, dice)
        noted = head if number % 2 else verify.short(head)
        assert verify.verify(edited).code in (verify.WHOLE, verify.NO_CHAIN)
        assert verify.verify(edited, noted).code in (verify.OTHER_HEAD, verify.NO_CHAIN)
        assert verify.verify(content, noted).code == verify.WHOLE
    line(journal)
    assert "The noted head is that of line 9." in judged(journal, verify.short(head)).text


def test_a_kill_before_the_newline_alone_loses_nothing(journal: Path) -> None:
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-1])
    assert judged(journal).code == verify.TORN
    line(journal)
    assert journal.read_bytes().startswith(whole)
    assert (judged(journal).code, judged(journal).closed) == (verify.WHOLE, 0)


def test_the_line_that_seals_may_be_torn_too(journal: Path) -> None:
    journal.write_bytes(journal.read_bytes() + b'{"event":"ta')
    line(journal)
    content = journal.read_bytes()
    journal.write_bytes(content[: content.index(b'"torn"') + 20])
    line(journal)
    assert (judged(journal).code, judged(journal).closed) == (verify.WHOLE, 1)
    assert len(read([str(journal)]).damaged) == 2
    content = journal.read_bytes()
    for edited in (content.replace(b'{"event":"ta\n', b'{"event":"tb\n'), content.replace(b'{"event":"ta\n', b"")):
        verdict = verify.verify(edited)
        assert (verdict.code, verdict.line) == (verify.EDITED, 10)


def test_lines_say_where_the_fault_is(journal: Path) -> None:
    lines = journal.read_bytes().splitlines(keepends=True)
    told = {
        b"".join([*lines[:3], lines[3].replace(b"1.25", b"1.26"), *lines[4:]]): (verify.EDITED, 4, "Line 4 was edited"),
        b"".join([*lines[:3], *lines[5:]]): (verify.GAP, 4, "numbers 4 to 5 are missing"),
        b"".join([*lines[:2], *lines[3:]]): (verify.GAP, 3, "number 3 is missing"),
        b"".join([*lines[:2], lines[3], lines[2], *lines[4:]]): (verify.REORDERED, 3, "3 is line 4"),
        b"".join([*lines[:4], lines[1], *lines[4:]]): (verify.REORDERED, 5, "it is number 2, and 5 should come"),
        b"".join(lines[1:]): (verify.GAP, 1, "number 1 is missing"),
        b"": (verify.NO_CHAIN, 0, "No line of this file is chained"),
    }
    for content, (code, number, text) in told.items():
        verdict = verify.verify(content)
        assert (verdict.code, verdict.line) == (code, number)
        assert text in verdict.text


# -- the program


def program(*arguments: str) -> tuple[int, str]:
    """As an auditor runs it: any Python, nothing of ours to import."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(PROGRAM), *arguments], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_the_program_needs_nothing_and_tells_by_its_code(journal: Path) -> None:
    head = judged(journal).head
    code, said = program(str(journal))
    assert code == 0
    assert f"{journal}: whole. Every line is as it was written." in said
    assert f"9 lines, head {head}" in said and f"short form to note: {verify.short(head)}" in said
    assert len(verify.short(head).replace(" ", "")) == 15
    assert program(str(journal), "--head", verify.short(head))[0] == 0
    code, said = program(str(journal), "--head", "12345 67890 12345")
    assert (code, "was written anew" in said) == (verify.OTHER_HEAD, True)
    journal.write_bytes(journal.read_bytes()[:-9])
    assert program(str(journal))[0] == verify.TORN
    code, said = program(str(journal.with_name("absent.jsonl")))
    assert (code, "No such file" in said) == (verify.UNREADABLE, True)
