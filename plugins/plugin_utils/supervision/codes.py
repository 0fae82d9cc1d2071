# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said on the telephone: go-codes, read-backs, and the head of the chain that both sides keep.

A go-code says: begin this item, this time, after that read-back. A read-back says what came of it, and proves by 20
bits that all that was before it is the same on both sides. Both are made with a key of 32 bytes that lies on both
machines, so they prove order and synchrony. They are no proof against somebody who has root's rights on the site.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import math
import typing as t

from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision import digits

OUTCOMES = OK, FAILED, UNKNOWN, WAITING = "ok", "failed", "unknown", "waiting"
#: What is begun beside the plan's items. Their places are the last ones that a read-back can name.
SPECIAL = STOP, ROLLBACK, RESUME = "stop", "rollback", "resume"
_PLACES, _ATTEMPTS, _DURATIONS = 2**10, 2**2, 2**5
_MAC_BITS = 20
_GO_DIGITS = 6
_HEAD_DIGITS = 12
GROUPS = 3  # of a read-back, a head and an envelope's code
#: Each class of duration is so much longer than the one before; the last one is 24 days.
_STEP = 1.6


@dataclasses.dataclass(frozen=True)
class Entry:
    """What came of one time that an item was begun; `attempt` counts from 1, `duration` is a class."""

    item: str
    attempt: int
    outcome: str
    duration: int


@dataclasses.dataclass(frozen=True)
class ReadBack:
    """As it was said: `place` names the item, `attempt` is known by its last two bits alone."""

    place: int
    attempt: int
    outcome: str
    duration: int
    mac: int


def duration_class(seconds: float) -> int:
    return min(max(round(math.log(max(seconds, 1.0), _STEP)), 0), _DURATIONS - 1)


def seconds_of(duration: int) -> float:
    """About how long an item of this class took."""
    return float(_STEP**duration)


def place_of(number: str, numbers: t.Sequence[str]) -> int:
    """Where an item stands in the plan's list; stop, rollback and resume are at the end."""
    return _PLACES - len(SPECIAL) + SPECIAL.index(number) if number in SPECIAL else numbers.index(number)


def number_at(place: int, numbers: t.Sequence[str]) -> str | None:
    """The other way round; None for a place that nothing has."""
    first = _PLACES - len(SPECIAL)
    if place >= first:
        return SPECIAL[place - first]
    return numbers[place] if place < len(numbers) else None


def chain(plan: str, entries: t.Iterable[Entry]) -> str:
    """The head over a plan's checksum and what came of each item, in the order of their ends; hexadecimal."""
    head = hashlib.sha256(f"dictated|{plan}".encode()).hexdigest()
    for each in entries:
        head = _linked(head, each)
    return head


def _linked(head: str, each: Entry) -> str:
    text = f"{head}|{each.item}|{each.attempt}|{each.outcome}|{each.duration}"
    return hashlib.sha256(text.encode()).hexdigest()


def spoken(sha256: str) -> str:
    """A head, or a plan's checksum, as it is read out and written on paper: 15 digits in three groups."""
    return digits.grouped(_decimal(bytes.fromhex(sha256), _HEAD_DIGITS))


def go_code(key: bytes, plan: str, item: str, attempt: int, last: str) -> str:
    """Six digits and one check digit, without spaces; `last` is the read-back before it, empty at the beginning."""
    return digits.grouped(_decimal(_mac(key, "go", plan, item, str(attempt), last), _GO_DIGITS), _GO_DIGITS)


def shown(go: str) -> str:
    """A go-code as it is printed and read out."""
    return f"{go[:3]} {go[3:]}"


def heard(said: str) -> str:
    """A go-code as it was typed, without spaces. Raises Misheard."""
    digits.ungrouped(said, 1, _GO_DIGITS)
    return digits.plain(said)


def is_go_code(said: str) -> bool:
    """By its length; an envelope's code is longer. Raises Misheard for what are no digits."""
    return len(digits.plain(said)) <= _GO_DIGITS + 2


def read_back(key: bytes, plan: str, place: int, entries: t.Sequence[Entry]) -> str:
    """What is read out when the last of the entries has ended: three groups, with spaces."""
    last = entries[-1]
    number = place
    for value, size in (
        (last.attempt % _ATTEMPTS, _ATTEMPTS),
        (OUTCOMES.index(last.outcome), len(OUTCOMES)),
        (last.duration, _DURATIONS),
        (mac_of(key, plan, entries), 2**_MAC_BITS),
    ):
        number = number * size + value
    return digits.grouped(f"{number:0{_HEAD_DIGITS}d}")


def decoded(said: str) -> ReadBack:
    """Raises Misheard."""
    number = int(digits.ungrouped(said, GROUPS))
    number, mac = divmod(number, 2**_MAC_BITS)
    number, duration = divmod(number, _DURATIONS)
    number, outcome = divmod(number, len(OUTCOMES))
    place, attempt = divmod(number, _ATTEMPTS)
    if place >= _PLACES:
        raise digits.Misheard("No read-back has these digits, although each group fits its check digit.")
    return ReadBack(place, attempt, OUTCOMES[outcome], duration, mac)


def same_attempt(heard_of: int, attempt: int) -> bool:
    """Whether the two bits of a read-back may mean this attempt."""
    return heard_of == attempt % _ATTEMPTS


def mac_of(key: bytes, plan: str, entries: t.Iterable[Entry]) -> int:
    """20 bits over the chain's head."""
    return int.from_bytes(_mac(key, "read-back", plan, chain(plan, entries))[:4], "big") >> (32 - _MAC_BITS)


def _mac(key: bytes, *fields: str) -> bytes:
    return hmac.new(key, "|".join(fields).encode(), hashlib.sha256).digest()


def _decimal(value: bytes, count: int) -> str:
    """The last so many decimal digits of 16 bytes; how unevenly they come is below 2**-80."""
    return f"{int.from_bytes(value[:16], 'big') % 10**count:0{count}d}"
