# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verifies the chain of a journal. Also a program: `python3 verify.py JOURNAL [--head DIGITS]`, without Ansible.

Every line ends with three fields: `seq` counts the lines from 1, `prev` is the hash of the line before, and `hash` is
SHA-256 over the bytes of this line as they stand in the file, up to and without `,"hash":`. No number and no text has
to be brought into a canonical form for that. `prev` of the first line is SHA-256 of all bytes that stood in the file
before it, which seals what a version without a chain wrote. After a write that was cut off, a line `torn` seals
what was left of it in the same way.

What this proves: nobody changed, removed, repeated or moved a line and left the rest as it was. Lines missing at the
end, and a file that was written anew as a whole, show only against a head that was noted elsewhere: `--head`.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import re
import sys
import typing as t

# The end of each line. Within a text of JSON every quotation mark has a backslash before it, so this cannot be content.
LINK = re.compile(rb',"seq":([1-9]\d*),"prev":"([0-9a-f]{64})","hash":"([0-9a-f]{64})"}\n')
_SEAL = b'{"event":"torn",'
_HASH_FIELD = len(b',"hash":""}\n') + 64

WHOLE, EDITED, UNREADABLE, TORN, REORDERED, GAP, OTHER_HEAD, NO_CHAIN = range(8)
NAMES = ("whole", "edited", "unreadable", "torn", "reordered", "gap", "other head", "no chain")


class Link(t.NamedTuple):
    """How a line is chained."""

    seq: int
    prev: str
    hash: str


@dataclasses.dataclass
class Verdict:
    code: int  # one of the constants above, and the exit code of the program
    text: str
    line: int = 0  # where it shows, from 1; 0 for nowhere
    lines: int = 0  # whole lines of the chain
    head: str = ""  # hash of the last whole line
    unchained: int = 0  # lines from before the chain, sealed by its first line
    closed: int = 0  # writes that were cut off, and sealed by a line `torn`


def link_of(line: bytes) -> Link | None:
    """How a line (with its newline) is chained, whether its hash is right or not; None for any other line."""
    found = LINK.search(line)
    if found is None or found.end() != len(line):
        return None
    return Link(int(found[1]), found[2].decode(), found[3].decode())


def hash_of(line: bytes) -> str:
    """The hash that a chained line (with its newline) should have."""
    return hashlib.sha256(line[:-_HASH_FIELD]).hexdigest()


def short(head: str) -> str:
    """A head as 15 digits, to be read out and noted on paper: about 50 bits of it."""
    digits = f"{int(head, 16) % 10**15:015d}"
    return f"{digits[:5]} {digits[5:10]} {digits[10:]}"


def is_head(noted: str, head: str) -> bool:
    """Whether a noted head, all 64 digits of it or the 15 of its short form, is this one."""
    plain = re.sub(r"[\s-]", "", noted).lower()
    return plain in (head, short(head).replace(" ", ""))


def verify(content: bytes, noted: str = "") -> Verdict:
    """The verdict on a whole journal; its first fault, if it has any. `noted` is a head that was kept elsewhere."""
    lines = content.split(b"\n")
    rest = lines.pop()
    verdict = _chain([line + b"\n" for line in lines], noted)
    if verdict.code in (WHOLE, OTHER_HEAD) and rest:
        number = len(lines) + 1
        verdict.line, verdict.code = number, TORN
        verdict.text = (
            f"Line {number} is cut off: its write was interrupted, and what it was to say is unknown. Everything "
            "before it is whole. The next line that is written will seal it."
        )
    return verdict


def _chain(lines: list[bytes], noted: str) -> Verdict:
    links = [link_of(line) for line in lines]
    places = {link.seq: number for number, link in enumerate(links, start=1) if link}
    verdict = Verdict(WHOLE, "")
    loose: list[bytes] = []  # lines without a link, that the next chained one must seal
    noted_at = 0
    for number, (line, link) in enumerate(zip(lines, links), start=1):
        if link is None:
            loose.append(line)
            continue
        if hash_of(line) != link.hash:
            return _fault(verdict, EDITED, number, f"Line {number} was edited: its hash does not fit its bytes.")
        fault = _out_of_order(verdict, link, number, places)
        if fault is not None and not loose:
            return fault
        if fault is not None or not _follows(verdict, line, link, loose):
            return _fault(verdict, EDITED, number - len(loose), _unsealed(verdict, number, loose))
        if loose and verdict.lines:
            verdict.closed += 1
        elif loose:
            verdict.unchained = len(loose)
        loose = []
        verdict.lines, verdict.head = link.seq, link.hash
        if noted and is_head(noted, link.hash):
            noted_at = number
    if not verdict.lines:
        verdict.code = NO_CHAIN
        verdict.text = "No line of this file is chained: it is empty, or an earlier version has written it."
        return verdict
    if loose:
        number = len(lines) - len(loose) + 1
        return _fault(verdict, EDITED, number, f"Line {number} was edited or added: it is not chained.")
    return _whole(verdict, noted, noted_at)


def _out_of_order(verdict: Verdict, link: Link, number: int, places: dict[int, int]) -> Verdict | None:
    """What is wrong with the number of a line whose hash is right."""
    wanted = verdict.lines + 1
    if link.seq == wanted:
        return None
    if link.seq < wanted:
        text = f"Line {number} is in the wrong place or repeated: it is number {link.seq}, and {wanted} should come."
        return _fault(verdict, REORDERED, number, text)
    if wanted in places:
        text = f"Line {number} is in the wrong place: it is number {link.seq}, and {wanted} is line {places[wanted]}."
        return _fault(verdict, REORDERED, number, text)
    missing = f"number {wanted} is" if link.seq == wanted + 1 else f"numbers {wanted} to {link.seq - 1} are"
    return _fault(verdict, GAP, number, f"Before line {number} there is a gap: {missing} missing.")


def _follows(verdict: Verdict, line: bytes, link: Link, loose: list[bytes]) -> bool:
    """Whether the line continues the chain, and seals the lines without a link that stand before it."""
    before = hashlib.sha256(b"".join(loose)).hexdigest()
    if not verdict.lines:
        return link.prev == before
    if link.prev != verdict.head or line.startswith(_SEAL) != bool(loose):
        return False
    return not loose or f'"sha256":"{before}"'.encode() in line


def _unsealed(verdict: Verdict, number: int, loose: list[bytes]) -> str:
    first = number - len(loose)
    if loose:
        return f"Line {first} was edited or added: line {number} does not seal it."
    if not verdict.lines:
        return f"Something stood before line {number} when it was written, and is missing."
    return f"Line {number} or line {number - 1} was written anew: it does not follow the line before it."


def _fault(verdict: Verdict, code: int, line: int, text: str) -> Verdict:
    return dataclasses.replace(verdict, code=code, line=line, text=text)


def _whole(verdict: Verdict, noted: str, noted_at: int) -> Verdict:
    if noted and not noted_at:
        text = (
            "The lines fit together, but the noted head is none of theirs: lines are missing at the end, or the file "
            "was written anew."
        )
        return _fault(verdict, OTHER_HEAD, 0, text)
    parts = ["Every line is as it was written."]
    if verdict.unchained:
        parts.append(f"The first {verdict.unchained} are from before the chain; nothing proves who wrote them.")
    if verdict.closed:
        parts.append(f"Interrupted writes: {verdict.closed}; what they were to say is unknown.")
    if noted:
        parts.append(f"The noted head is that of line {noted_at}.")
    else:
        parts.append("Whether lines are missing at the end shows only against a head that was noted: --head.")
    verdict.text = " ".join(parts)
    return verdict


def told(path: str, verdict: Verdict) -> str:
    """The verdict as lines for people."""
    out = [f"{path}: {NAMES[verdict.code]}. {verdict.text}"]
    if verdict.lines and verdict.code in (WHOLE, TORN, OTHER_HEAD):
        out.append(f"{verdict.lines} lines, head {verdict.head}")
        out.append(f"short form to note: {short(verdict.head)}")
    return "\n".join(out) + "\n"


def main(arguments: t.Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description="Say whether a journal is as it was written.",
        epilog="Exit codes: "
        + ", ".join(f"{code} {name}" for code, name in enumerate(NAMES))
        + ". Code 2 is also that of wrong options.",
    )
    parser.add_argument("journal", help="the file (*.jsonl)")
    parser.add_argument("--head", default="", help="a head noted elsewhere: 64 hexadecimal digits, or the 15 digits")
    options = parser.parse_args(arguments)
    try:
        with open(options.journal, "rb") as stream:
            content = stream.read()
    except OSError as error:
        sys.stderr.write(f"{options.journal}: {error.strerror}\n")
        return UNREADABLE
    verdict = verify(content, options.head)
    sys.stdout.write(told(options.journal, verdict))
    return verdict.code


if __name__ == "__main__":
    sys.exit(main())
