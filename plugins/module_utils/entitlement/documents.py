# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bytes of a licence file, whatever its format, as one kind of tree; and the fields that a path leads to.

A path has the names of the fields from the outside in, with slashes between them: `features/feature/@name`. The root
itself has no name. Of several fields of one name all are meant, or with `feature[id=voice]` those that hold this value.
"""

from __future__ import annotations

import codecs
import dataclasses
import json
import os
import re
import stat
import typing as t
from xml.parsers import expat

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.units import MIB, size

MOST_BYTES = MIB  # a licence is a page; what is longer is something else
DEEPEST = 64  # levels of XML
FORMATS = ("key_value", "ini", "json", "xml")
ENCODINGS = (
    *("auto", "utf-8", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "windows-1251", "windows-1252", "koi8-r"),
    *("gb18030", "shift_jis"),
)
# The longer marks first: one begins with another.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Control characters, halves of surrogates, and what changes the direction of writing.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u200b-\u200f\u2028-\u202e\u2066-\u2069]")
_LINE_ENDS = re.compile(r"\r\n|\r|\n")
_SEPARATOR = re.compile(r"[=:]")
_PART = re.compile(r"(?:^|/)(?P<name>[^/\[\]]+)(?:\[(?P<field>[^=\[\]]+)=(?P<value>[^\[\]]*)\])?")


@dataclasses.dataclass(frozen=True)
class Node:
    """A field: its text, or the fields in it. An attribute of XML is a field whose name begins with @."""

    text: str = ""
    children: tuple[tuple[str, Node], ...] = ()

    def named(self, name: str) -> list[Node]:
        return [child for each, child in self.children if each == name]


def read_bounded(path: str, most: int = MOST_BYTES) -> bytes:
    """The file's bytes. Raises BoxliftError for what is no file or too big, and OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe would wait for a writer
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise BoxliftError("it is no file", "Name the licence file itself.")
        with open(descriptor, "rb", closefd=False) as stream:
            data = stream.read(most + 1)
    finally:
        os.close(descriptor)
    if len(data) > most:
        raise BoxliftError(
            f"it has {size(max(status.st_size, len(data)))}, and a licence has {size(most)} at most",
            "Name the licence file itself.",
        )
    return data


def plain(text: str) -> str:
    """Without spaces around it, and without what would disturb a terminal or cannot be written down."""
    return _UNSEEN.sub("\ufffd", text.strip())


def parse(data: bytes, form: str, encoding: str = "auto") -> Node:
    """The root. Raises BoxliftError, which says what is wrong without naming the file."""
    if form == "xml":
        return _xml(data, encoding)
    text = decode(data, encoding)
    if form == "json":
        return _json(text)
    if form in ("ini", "key_value"):
        return _lines(text, sections=form == "ini")
    raise BoxliftError(f"its format {form} is not known", f"Formats are {', '.join(FORMATS)}.")


def decode(data: bytes, encoding: str = "auto") -> str:
    """The text, without a byte order mark. Raises BoxliftError."""
    chosen = _guessed(data) if encoding == "auto" else encoding
    try:
        text = data.decode(chosen)
    except (UnicodeError, LookupError) as error:
        where = f" at byte {error.start}" if isinstance(error, UnicodeDecodeError) else ""
        raise BoxliftError(
            f"it is no text in {chosen}{where}", "Say in which encoding the file is, or get the file anew."
        ) from error
    if "\0" in text:
        raise BoxliftError("it holds NUL bytes, so it is no text", "Name the right file, or get it anew.")
    return text[1:] if text.startswith("\ufeff") else text


def _guessed(data: bytes) -> str:
    for mark, name in _MARKS:
        if data.startswith(mark):
            return name
    # UTF-16 without a mark: of ASCII characters every other byte is zero.
    for name, zeros, others in (("utf-16-le", data[1:64:2], data[0:64:2]), ("utf-16-be", data[0:64:2], data[1:64:2])):
        if len(zeros) > 1 and 2 * zeros.count(0) > len(zeros) and 0 not in others:
            return name
    return "utf-8"


def _lines(text: str, sections: bool) -> Node:
    """Lines with a name, = or :, and a value. Others say nothing."""
    top: list[tuple[str, Node]] = []
    parts: list[tuple[str, list[tuple[str, Node]]]] = []
    for raw in _LINE_ENDS.split(text):
        line = raw.strip()
        if not line or line.startswith(("#", ";", "//")):
            continue
        if sections and line.startswith("[") and line.endswith("]"):
            parts.append((line[1:-1].strip(), []))
            continue
        found = _SEPARATOR.search(line)
        if found is None or not line[: found.start()].strip():
            continue
        field = line[: found.start()].strip(), Node(_unquoted(line[found.end() :].strip()))
        (parts[-1][1] if parts else top).append(field)
    return Node("", (*top, *((name, Node("", tuple(fields))) for name, fields in parts)))


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def _json(text: str) -> Node:
    try:
        found = json.loads(text, object_pairs_hook=_object, parse_int=str, parse_float=str, parse_constant=str)
    except RecursionError as error:
        raise BoxliftError("its JSON is nested too deeply", "Get the licence file anew.") from error
    except ValueError as error:
        raise BoxliftError(f"it is no JSON: {error}", "Correct its format, or get the licence file anew.") from error
    if not isinstance(found, (Node, list)):
        raise BoxliftError("its JSON is no object", "Correct its format, or get the licence file anew.")
    return (
        found if isinstance(found, Node) else Node("", tuple(pair for each in _nodes(found) for pair in each.children))
    )


def _object(pairs: list[tuple[str, t.Any]]) -> Node:
    return Node("", tuple((name, node) for name, value in pairs for node in _nodes(value)))


def _nodes(value: t.Any) -> t.Iterator[Node]:
    """A list is several fields of one name."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list):
            waiting += reversed(each)
        elif isinstance(each, Node):
            yield each
        elif each is None:
            yield Node()
        else:
            yield Node(str(each).lower() if isinstance(each, bool) else each)


def _xml(data: bytes, encoding: str) -> Node:
    """Without entities of its own: a licence needs none, and who sends some wants to harm."""
    # What has a mark or was told is decoded here. Otherwise the document says in which encoding it is.
    told = encoding != "auto" or data.startswith(tuple(mark for mark, _name in _MARKS))
    source = decode(data, encoding) if told else data
    tree = _Tree()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = tree.begin, tree.end
    parser.CharacterDataHandler = tree.text
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = _refuse_types
    parser.ExternalEntityRefHandler = _refuse_types
    try:
        parser.Parse(source, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise BoxliftError(f"it is no XML: {error}", "Correct its format, or get the licence file anew.") from error
    return tree.root


def _refuse_types(*_arguments: t.Any) -> t.NoReturn:
    raise BoxliftError(
        "it is XML with a document type or entities of its own, which can harm whoever reads it",
        "Get the licence file anew from whoever sold it, without <!DOCTYPE>.",
    )


class _Tree:
    def __init__(self) -> None:
        self.root = Node()
        self._open: list[tuple[str, list[str], list[tuple[str, Node]]]] = []

    def begin(self, name: str, attributes: t.Mapping[str, str]) -> None:
        if len(self._open) >= DEEPEST:
            raise BoxliftError("its XML is nested too deeply", "Get the licence file anew.")
        fields = [(f"@{_local(each)}", Node(value)) for each, value in attributes.items()]
        self._open.append((_local(name), [], fields))

    def text(self, text: str) -> None:
        self._open[-1][1].append(text)

    def end(self, _name: str) -> None:
        name, texts, fields = self._open.pop()
        self.root = Node("".join(texts).strip(), tuple(fields))
        if self._open:
            self._open[-1][2].append((name, self.root))


def _local(name: str) -> str:
    """Without the prefix of its namespace, which every writer chooses for himself."""
    return name.rpartition(":")[2] or name


def find(root: Node, path: str) -> list[Node]:
    """The fields that a path leads to, in their order. Raises BoxliftError for what is no path."""
    nodes, end = [root], 0
    for part in _PART.finditer(path):
        if part.start() != end:
            break
        end = part.end()
        nodes = [child for node in nodes for child in node.named(part["name"])]
        if part["field"] is not None:
            nodes = [each for each in nodes if any(one.text == part["value"] for one in each.named(part["field"]))]
    if not path or end != len(path):
        raise BoxliftError(
            f"{path!r} is no path of a field", "Write it as features/feature or features/feature[id=voice]/expires."
        )
    return nodes
