# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx's configuration as `nginx -T` prints it: its blocks, and which location serves an address.

The choice of a location is the one that nginx's documentation of `location` describes.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import posixpath
import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import CannotLook

_FILE = re.compile(r"^# configuration file (.+):$", re.MULTILINE)
_TOKEN = re.compile(
    r"""\s+|\#[^\n]*|(?P<end>[;{}])
    |"(?P<double>(?:\\.|[^"\\])*)"|'(?P<single>(?:\\.|[^'\\])*)'
    |(?P<word>(?:\\.|\$\{[^}]*\}|[^\s;{}"'\\])(?:\\.|\$\{[^}]*\}|[^\s;{}\\])*)""",
    re.VERBOSE,
)
#: What becomes of an address, as treatment() says.
RUN, HANDED_ON, REFUSED, SENT = "run", "handed on", "refused", "sent"
_RUNNERS = ("fastcgi_pass", "uwsgi_pass", "scgi_pass")


@dataclasses.dataclass
class Directive:
    """One directive with its arguments; a block has children."""

    name: str
    arguments: tuple[str, ...]
    children: list[Directive] = dataclasses.field(default_factory=list)

    def all(self, name: str) -> t.Iterator[Directive]:
        """The directives of this name in this block and in every block within it."""
        for child in self.children:
            if child.name == name:
                yield child
            yield from child.all(name)

    def own(self, name: str) -> list[Directive]:
        """The directives of this name in this block itself."""
        return [child for child in self.children if child.name == name]


def nginx(context: Context) -> Directive:
    """The host's nginx, asked once. Raises CannotLook if it is not there or its configuration has an error."""
    return context.once("nginx", lambda: _ask(context))


def _ask(context: Context) -> Directive:
    try:
        return parse(context.command("nginx", "-T"))
    except OSError as problem:
        raise CannotLook("nginx is not on this host") from problem


def parse(dump: str) -> Directive:
    """The whole configuration as one block, with included files in their places. Raises BoxliftError."""
    heads = list(_FILE.finditer(dump))
    ends = [*(head.start() for head in heads[1:]), len(dump)]
    files = {head.group(1): dump[head.end() : end] for head, end in zip(heads, ends)}
    if not files:
        raise BoxliftError("nginx -T named no configuration file.", "Look at the output of nginx -T.")
    main = heads[0].group(1)
    return Directive("", (), _expanded(_blocks(files[main], main), files, posixpath.dirname(main)))


def _expanded(directives: list[Directive], files: dict[str, str], folder: str) -> list[Directive]:
    """With the files' directives in place of each `include`."""
    result = []
    for each in directives:
        if each.name == "include" and each.arguments:
            pattern = posixpath.join(folder, each.arguments[0])
            for path in sorted(files):
                if fnmatch.fnmatchcase(path, pattern) and path.count("/") == pattern.count("/"):
                    result += _expanded(_blocks(files[path], path), files, folder)
        else:
            each.children = _expanded(each.children, files, folder)
            result.append(each)
    return result


def _blocks(text: str, path: str) -> list[Directive]:
    top: list[Directive] = []
    stack, words, place = [top], [], 0
    while place < len(text):
        token = _TOKEN.match(text, place)
        if token is None:
            raise BoxliftError(f"{path}: nginx's configuration cannot be read here: {text[place : place + 40]!r}.")
        place = token.end()
        quoted = token.group("double") if token.group("double") is not None else token.group("single")
        if quoted is not None:
            words.append(re.sub(r"\\([\"'\\])", r"\1", quoted))
        elif token.group("word"):
            words.append(token.group("word"))
        elif token.group("end") == "}":
            if len(stack) == 1:
                raise BoxliftError(f"{path}: nginx's configuration closes a block that is not open.")
            stack.pop()
        elif token.group("end"):
            directive = Directive(words[0] if words else "", tuple(words[1:]))
            stack[-1].append(directive)
            words = []
            if token.group("end") == "{":
                stack.append(directive.children)
    return top


def server_for(configuration: Directive, host: str) -> Directive:
    """The server that answers for this host over TLS, or else over plain HTTP. Raises CannotLook."""
    servers = [server for http in configuration.own("http") for server in http.own("server")]
    named = [server for server in servers if _names(server, host)]
    chosen = sorted(named, key=lambda server: not _tls(server))
    if not chosen:
        raise CannotLook(f"no server of this host's nginx has the name {host}")
    return chosen[0]


def _names(server: Directive, host: str) -> bool:
    names = [name.lower() for each in server.own("server_name") for name in each.arguments]
    wildcards = ("*." + host.partition(".")[2], "." + host.partition(".")[2], "." + host)
    return host in names or any(name in wildcards for name in names)


def _tls(server: Directive) -> bool:
    return any("ssl" in each.arguments for each in server.own("listen"))


def locations(server: Directive, uri: str) -> list[Directive]:
    """The location that serves this address, with the blocks around it: the server first. Raises CannotLook."""
    return [server, *_find(server, uri)[0]]


def _find(block: Directive, uri: str) -> tuple[list[Directive], bool]:
    """The locations within a block, outermost first, and whether the choice is final (exact, or by an expression)."""
    exact, prefixes, expressions = [], [], []
    for location in block.own("location"):
        kind, pattern = location.arguments if len(location.arguments) == 2 else ("", *location.arguments)
        if kind == "=" and uri == pattern:
            exact.append(location)
        elif kind in ("~", "~*"):
            expressions.append((location, pattern, re.IGNORECASE if kind == "~*" else 0))
        elif kind in ("", "^~") and not pattern.startswith("@") and uri.startswith(pattern):
            prefixes.append((len(pattern), kind == "^~", location))
    if exact:
        return [exact[0]], True
    chosen: list[Directive] = []
    closed = False
    if prefixes:
        _length, closed, location = max(prefixes, key=lambda each: each[0])
        within, final = _find(location, uri)
        chosen = [location, *within]
        if final:
            return chosen, True
    if not closed:
        for location, pattern, flags in expressions:
            try:
                matches = re.search(re.sub(r"\(\?<(?![=!])", "(?P<", pattern), uri, flags)
            except re.error as problem:
                raise CannotLook(f"location {pattern} cannot be read here: {problem}") from problem
            if matches:
                return [location, *_find(location, uri)[0]], True
    return chosen, False


def treatment(path: t.Sequence[Directive]) -> str:
    """What becomes of a file that a location serves (see locations()). Raises CannotLook where an `if` may decide."""
    location = path[-1]
    for block in path:
        if any(each.arguments[:1] and each.arguments[0][:1] in "45" for each in block.own("return")):
            return REFUSED
    if location.own("internal") or any(each.arguments == ("all",) for block in path for each in block.own("deny")):
        return REFUSED
    if any(location.own(name) for name in _RUNNERS):
        if any(each.own("return") or each.own("deny") for block in path for each in block.own("if")):
            raise CannotLook("an `if` of nginx's configuration decides")
        return RUN
    return HANDED_ON if location.own("proxy_pass") else SENT
