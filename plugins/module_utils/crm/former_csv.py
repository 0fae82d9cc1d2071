# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the CSV export of a CRM, as a former move by hand used it: its rows, and the lines that are none.

Such files are seldom clean. Each line is decoded by itself (UTF-8, else windows-1251), a quote that is never closed
costs one record and not the rest of the file, and a row whose columns have moved is named instead of believed.
"""

from __future__ import annotations

import csv
import dataclasses
import datetime
import re
import typing as t

#: A record with more lines has a quote that nobody has closed.
LONGEST_RECORD = 200
_ANSI = "cp1251"
_DELIMITERS = (";", ",", "\t")
_AGAIN = "Export the list again as CSV, and name the new file."

#: The column that says of which kind an export is. Contacts have none: see `_kind_of`.
_TITLES = {
    "lead": ("название лида", "lead name", "lead title"),
    "deal": ("название сделки", "deal name", "deal title"),
    "company": ("название компании", "company name", "company title"),
}
KINDS = (*_TITLES, "contact")
_ID = ("id", "ид")
_NAMES = {
    "name": ("имя", "first name", "name"),
    "second": ("отчество", "second name", "middle name"),
    "last": ("фамилия", "last name"),
}
_CREATED = ("дата создания", "created on", "created", "date created", "creation date")
_PHONE = re.compile(r"телефон|факс|пейджер|\bphone\b|\bmobile\b|\bfax\b|\bpager\b")
_EMAIL = re.compile(r"\be-?mail\b")
#: Of a deal's contact or company, which the vendor adds where people ask for it; they are not the record's own.
_FOREIGN = re.compile(r"^(контакт|компания|contact|company)\s*:")

_DAY_FIRST = re.compile(r"^(\d{1,2})\.(\d{1,2})\.(\d{4})(?:[ T]+(\d{1,2}):(\d{2})(?::(\d{2}))?)?$")
_MONTH_FIRST = re.compile(
    r"^(\d{1,2})/(\d{1,2})/(\d{4})(?:[ ,]+(\d{1,2}):(\d{2})(?::(\d{2}))?\s*([ap]m)?)?$", re.IGNORECASE
)
_EXTENSION = re.compile(r"(доб|ext|вн|#|[;,]).*$", re.IGNORECASE)
#: What UTF-8 looks like after somebody has taken it for windows-1251.
_TWICE = re.compile("[РС][\u0080-\u00bf\u0400-\u045f\u2010-\u2122]")


@dataclasses.dataclass(frozen=True)
class Row:
    """A record of the export, in the terms by which it is found again."""

    line: int
    kind: str
    number: int | None  # its ID in the portal that it was exported from
    title: str
    phones: tuple[str, ...]
    emails: tuple[str, ...]
    created: datetime.datetime | None
    whole_seconds: bool  # the time of creation was told with its seconds
    repeats: int | None = None  # an earlier line with the same content


@dataclasses.dataclass(frozen=True)
class Unreadable:
    line: int
    last: int
    reason: str
    remedy: str


@dataclasses.dataclass(frozen=True)
class _Columns:
    kind: str
    names: tuple[str, ...]
    number: int | None
    title: tuple[int, ...]
    phones: tuple[int, ...]
    emails: tuple[int, ...]
    created: int | None


class _Line(t.NamedTuple):
    number: int
    text: str
    fault: str


def read(path: str, kind: str = "", zone: datetime.tzinfo = datetime.timezone.utc) -> t.Iterator[Row | Unreadable]:
    """The rows of an export in their order, with what cannot be read. `kind` is what the file should hold.

    `zone` is that of the portal, for times that have none. Raises OSError.
    """
    with open(path, "rb") as stream:
        start = stream.read(4096)
        stream.seek(0)
        no_csv = _other_format(start)
        if no_csv:
            yield Unreadable(1, 1, no_csv, _AGAIN)
            return
        lines = _Pushback(_decoded(stream))
        first = next(lines, None)
        if first is None:
            yield Unreadable(1, 1, "The file is empty.", _AGAIN)
            return
        delimiter, columns = _header(first.text)
        fault = _wrong_header(columns, kind) or first.fault
        if columns is None or fault:
            yield Unreadable(1, 1, fault, _AGAIN)
            return
        yield from _judged(_records(lines, delimiter, len(columns.names)), columns, zone)


def _other_format(start: bytes) -> str:
    head = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith((b"pk\x03\x04", b"\xd0\xcf\x11\xe0")):
        return "The file is a workbook of a spreadsheet, no CSV."
    if head.startswith(b"<"):
        return "The file is an HTML page: the export for Excel, or the page that asks for a password."
    if start.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in start:
        return "The file is in UTF-16 or no text at all."
    return ""


class _Pushback:
    """Lines one after the other, with those that were taken by mistake given back."""

    def __init__(self, lines: t.Iterator[_Line]) -> None:
        self._lines = lines
        self._waiting: list[_Line] = []

    def __iter__(self) -> _Pushback:
        return self

    def __next__(self) -> _Line:
        return self._waiting.pop() if self._waiting else next(self._lines)

    def at_end(self) -> bool:
        upcoming = next(self, None)
        if upcoming is not None:
            self.give_back([upcoming])
        return upcoming is None

    def give_back(self, lines: t.Sequence[_Line]) -> None:
        self._waiting += reversed(lines)


def _decoded(stream: t.Iterable[bytes]) -> t.Iterator[_Line]:
    """Each line in the encoding that it is in: files that were put together from two have both."""
    for number, raw in enumerate(stream, 1):
        raw = raw[3:] if number == 1 and raw.startswith(b"\xef\xbb\xbf") else raw
        fault = ""
        try:
            text = raw.decode("utf-8")
            if _TWICE.search(text):
                text = _once(text)
        except UnicodeDecodeError:
            try:
                text = raw.decode(_ANSI)
            except UnicodeDecodeError:
                text = raw.decode(_ANSI, "replace")
                fault = "The line is neither UTF-8 nor windows-1251."
        yield _Line(number, text.replace("\0", ""), fault)


def _once(text: str) -> str:
    """Text that was turned into UTF-8 twice, as it was before; the same text if it was not."""
    try:
        return text.encode(_ANSI).decode("utf-8")
    except UnicodeError:
        return text


def _header(line: str) -> tuple[str, _Columns | None]:
    """The delimiter by which most columns are known, and the columns; None where not one is."""
    found = [(delimiter, _columns([cell.strip() for cell in _cells(line, delimiter)])) for delimiter in _DELIMITERS]
    return max(
        found, key=lambda pair: (pair[1] is not None and bool(pair[1].kind), len(pair[1].names) if pair[1] else 0)
    )


def _columns(names: list[str]) -> _Columns | None:
    plain = [re.sub(r"\s+", " ", name).casefold() for name in names]

    def place(known: t.Container[str]) -> int | None:
        return next((number for number, name in enumerate(plain) if name in known), None)

    kind = next((kind for kind, known in _TITLES.items() if place(known) is not None), "")
    parts = [place(known) for known in _NAMES.values()]
    if not kind and parts[0] is not None and parts[2] is not None:
        kind = "contact"
    title = [place(_TITLES[kind])] if kind in _TITLES else parts
    number, created = place(_ID), place(_CREATED)
    if not kind and number is None and created is None:
        return None
    own = [(at, name) for at, name in enumerate(plain) if not _FOREIGN.search(name)]
    emails = tuple(at for at, name in own if _EMAIL.search(name))
    phones = tuple(at for at, name in own if _PHONE.search(name) and at not in emails)
    return _Columns(kind, tuple(names), number, tuple(at for at in title if at is not None), phones, emails, created)


def _wrong_header(columns: _Columns | None, kind: str) -> str:
    if columns is None or not columns.kind:
        return "The first line names no column of an export of leads, deals, contacts or companies."
    if kind and columns.kind != kind:
        return f"The file holds records of the kind {columns.kind}, where {kind} was expected."
    return ""


def _cells(text: str, delimiter: str) -> list[str]:
    return next(csv.reader([text], delimiter=delimiter), [])


def _records(lines: _Pushback, delimiter: str, width: int) -> t.Iterator[tuple[int, int, list[str], str]]:
    """First and last line, cells and fault of each record. Lines that fail one after the other are one record."""
    broken: tuple[int, int, str] | None = None
    for first in lines:
        taken, closed = _whole(first, lines)
        text = "".join(line.text for line in taken)
        cells = _cells_of(taken, delimiter) if closed else []
        fault = next((line.fault for line in taken if line.fault), "")
        if closed and not text.strip(" \r\n\t" + delimiter):
            continue  # an empty line, which spreadsheets leave at the end
        if not closed:
            fault = fault or "A quote is opened and never closed: the line was cut off."
        elif len(cells) != width:
            fault = fault or _wrong_width(len(cells), width, lines.at_end())
        if fault:
            # Only the first line is known to be wrong: the others may be whole records that a stray quote swallowed.
            lines.give_back(taken[1:])
            taken = taken[:1]
        if fault and broken is not None:
            broken = (broken[0], taken[-1].number, broken[2])
            continue
        if fault:
            broken = (first.number, taken[-1].number, fault)
            continue
        if broken is not None:
            yield broken[0], broken[1], [], broken[2]
            broken = None
        yield first.number, taken[-1].number, cells, ""
    if broken is not None:
        yield broken[0], broken[1], [], broken[2]


def _whole(first: _Line, lines: _Pushback) -> tuple[list[_Line], bool]:
    """The lines of one record; False if its quotes do not come to an end."""
    taken, quotes = [first], first.text.count('"')
    while quotes % 2 and len(taken) < LONGEST_RECORD:
        line = next(lines, None)
        if line is None:
            return taken, False
        taken.append(line)
        quotes += line.text.count('"')
    return taken, quotes % 2 == 0


def _cells_of(taken: t.Sequence[_Line], delimiter: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line.text for line in taken], delimiter=delimiter), [])]
    except csv.Error:
        return []


def _wrong_width(found: int, width: int, at_end: bool) -> str:
    if at_end and found < width:
        return f"The last line was cut off after {found} of {width} columns."
    return f"The line has {found} columns, the header {width}: its columns have moved."


def _judged(
    records: t.Iterable[tuple[int, int, list[str], str]], columns: _Columns, zone: datetime.tzinfo
) -> t.Iterator[Row | Unreadable]:
    seen: dict[int, int] = {}
    for first, last, cells, fault in records:
        if fault:
            yield Unreadable(first, last, fault, _AGAIN)
            continue
        moved = _moved(cells, columns)
        if moved:
            yield Unreadable(first, last, moved, _AGAIN)
            continue
        row = _row(first, cells, columns, zone)
        if row is None:
            remedy = "Correct the line, or enter this record by hand."
            yield Unreadable(first, last, "The line names neither an ID nor a name, phone or e-mail.", remedy)
            continue
        earlier = seen.setdefault(hash(tuple(cells)), first)
        yield row if earlier == first else dataclasses.replace(row, repeats=earlier)


def _moved(cells: t.Sequence[str], columns: _Columns) -> str:
    """Why the cells cannot stand in their columns; empty if they can."""

    def fault(at: int, what: str) -> str:
        return f"The column {columns.names[at]} holds no {what}: the columns have moved."

    if columns.number is not None and not re.fullmatch(r"\d*", cells[columns.number]):
        return fault(columns.number, "number")
    if columns.created is not None and cells[columns.created] and _moment(cells[columns.created])[0] is None:
        return fault(columns.created, "date")
    for at in columns.emails:
        if cells[at] and "@" not in cells[at]:
            return fault(at, "e-mail address")
    for at in columns.phones:
        if cells[at] and not re.search(r"\d{2}|\d\D\d", cells[at]) or "@" in cells[at]:
            return fault(at, "telephone number")
    return ""


def _row(line: int, cells: t.Sequence[str], columns: _Columns, zone: datetime.tzinfo) -> Row | None:
    number = int(cells[columns.number]) if columns.number is not None and cells[columns.number] else None
    title = title_key(" ".join(cells[at] for at in columns.title))
    phones = unique(phone_key(one) for at in columns.phones for one in _several(cells[at]))
    emails = unique(email_key(one) for at in columns.emails for one in _several(cells[at]))
    if number is None and not title and not phones and not emails:
        return None
    created, whole = _moment(cells[columns.created]) if columns.created is not None else (None, False)
    if created is not None and created.tzinfo is None:
        created = created.replace(tzinfo=zone)
    return Row(line, columns.kind, number, title, phones, emails, created, whole)


def _several(cell: str) -> list[str]:
    """The values of a cell; the vendor joins several of one type with a comma."""
    return [one for one in re.split(r"[,;\n]", cell) if one.strip()]


def unique(values: t.Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value))


def phone_key(text: str) -> str:
    """A telephone number by which equal ones are found: its digits with the country's code; empty where it has few."""
    plain = _EXTENSION.sub("", text.replace("tel:", "")).strip()
    digits = re.sub(r"\D", "", plain)
    if digits.startswith("00"):
        digits = digits[2:]
    elif len(digits) == 11 and digits.startswith("8"):
        digits = f"7{digits[1:]}"
    elif len(digits) == 10 and not plain.startswith("+"):
        digits = f"7{digits}"
    return digits if len(digits) >= 5 else ""


def email_key(text: str) -> str:
    return re.sub(r"^mailto:", "", text.strip().casefold())


def title_key(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().casefold().replace("ё", "е")


def _moment(text: str) -> tuple[datetime.datetime | None, bool]:
    """A time as exports write it, without zone where they tell none; and whether it has seconds."""
    text = text.strip()
    try:
        match = _DAY_FIRST.match(text)
        if match:
            day, month, year = (int(part) for part in match.group(1, 2, 3))
            return _at(year, month, day, match.group(4, 5, 6), "")
        match = _MONTH_FIRST.match(text)
        if match:
            month, day, year = (int(part) for part in match.group(1, 2, 3))
            return _at(year, month, day, match.group(4, 5, 6), (match.group(7) or "").lower())
        return datetime.datetime.fromisoformat(re.sub(r"[Zz]$", "+00:00", text)), text.count(":") > 1
    except ValueError:
        return None, False


def _at(year: int, month: int, day: int, clock: t.Sequence[str | None], half: str) -> tuple[datetime.datetime, bool]:
    hour = int(clock[0] or 0)
    if half:
        hour = hour % 12 + (12 if half == "pm" else 0)
    return datetime.datetime(year, month, day, hour, int(clock[1] or 0), int(clock[2] or 0)), clock[2] is not None
