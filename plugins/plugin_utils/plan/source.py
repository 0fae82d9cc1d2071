# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan's file as plain data, with the line of every entry; and what is wrong with a plan, all of it at once."""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime
import typing as t

import yaml
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, from_system

Path = tuple[t.Union[str, int], ...]
Data = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Problem:
    """What is wrong at `path` of the plan; `line` is 0 where the plan came as a mapping and not from a file."""

    file: str
    line: int
    path: str
    message: str
    remedy: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.path + ': ' if self.path else ''}{self.message} {self.remedy}"


class PlanError(BoxliftError):
    """Everything that is wrong with a plan. `problems` holds the same as `Problem`s."""

    def __init__(self, problems: t.Sequence[Problem]) -> None:
        self.problems = sorted(problems, key=lambda problem: (problem.file, problem.line, problem.path))
        count = "one thing is wrong" if len(problems) == 1 else f"{len(problems)} things are wrong"
        message = "\n".join([f"The plan cannot be used, {count}:", *map(str, self.problems)])
        super().__init__(message, problems=[dataclasses.asdict(problem) for problem in self.problems])


@dataclasses.dataclass(frozen=True)
class Source:
    """`data` as written, and the `lines` of its entries by their path."""

    name: str
    data: Data
    lines: t.Mapping[Path, int]

    def line(self, path: Path) -> int | None:
        """The line of the entry, or of the nearest one around it but the whole; None if this source has no such."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return None

    def problem(self, path: Path, message: str, remedy: str) -> Problem:
        return Problem(self.name, self.line(path) or 0, shown(path), message, remedy)


def shown(path: Path) -> str:
    """A path as people read it: steps > move.fetch > depends[2]; items of lists are counted from 0."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f" > {part}" for part in path)
    return text.removeprefix(" > ")


def from_file(path: str) -> Source:
    """Raises PlanError for what is no YAML, BoxliftError where the file cannot be read."""
    try:
        with open(path, encoding="utf-8") as stream:
            text = stream.read()
    except OSError as error:
        raise from_system(error, path) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        wrong = Problem(path, line, "", "This is not UTF-8.", "Save the file as UTF-8.")
        raise PlanError([wrong]) from error
    return from_text(text, path)


def from_text(text: str, name: str) -> Source:
    """Raises PlanError with the line."""
    loader = yaml.SafeLoader(text)
    reader = _Reader(name, loader)
    try:
        node = loader.get_single_node()
        data = reader.value(node, (), ()) if node is not None else {}
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        wrong = f"This is no YAML: {error.problem or error.context}."
        line = mark.line + 1 if mark else 0
        raise PlanError([Problem(name, line, "", wrong, "Correct the line, or the one above it.")]) from error
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        wrong = "There is a character that YAML does not allow."
        raise PlanError([Problem(name, line, "", wrong, "Remove it.")]) from error
    finally:
        loader.dispose()
    if not isinstance(data, dict):
        reader.problems.append(
            Problem(name, 1, "", "A plan is a mapping.", "Begin with `cutover:` or another of its keys.")
        )
    if reader.problems:
        raise PlanError(reader.problems)
    return Source(name, data, reader.lines)


def from_mapping(data: t.Mapping[str, t.Any], name: str = "migration_plan") -> Source:
    """Data that something else has read, an inventory for instance. There are no lines then."""
    return Source(name, _plain(data), {})


def _plain(value: t.Any) -> t.Any:
    """The same in JSON's types. YAML's own days and times become text again."""
    if isinstance(value, collections.abc.Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, datetime.datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    if isinstance(value, datetime.date):
        return value.isoformat()
    return str(value) if isinstance(value, str) else value


class _Reader:
    """Nodes of YAML → data and lines. What is wrong is gathered in `problems`."""

    def __init__(self, name: str, loader: yaml.SafeLoader) -> None:
        self.name = name
        self.loader = loader
        self.lines: dict[Path, int] = {}
        self.problems: list[Problem] = []

    def value(self, node: yaml.Node, path: Path, around: tuple[yaml.Node, ...]) -> t.Any:
        if any(node is outer for outer in around):
            self.wrong(node, path, "An alias stands within what it names.", "Write the entry out.")
            return None
        if isinstance(node, yaml.MappingNode):
            self.say_doubles(node, path)
            self.loader.flatten_mapping(node)
            return self.mapping(node, path, (*around, node))
        if isinstance(node, yaml.SequenceNode):
            items = []
            for number, item in enumerate(node.value):
                self.lines[(*path, number)] = item.start_mark.line + 1
                items.append(self.value(item, (*path, number), (*around, node)))
            return items
        if node.tag == "tag:yaml.org,2002:timestamp":
            return node.value
        if node.tag not in yaml.SafeLoader.yaml_constructors:
            self.wrong(node, path, f"YAML's tag {node.tag} has no meaning in a plan.", "Write a plain value.")
            return None
        try:
            return self.loader.construct_object(node)
        except ValueError:
            self.wrong(node, path, f"{node.value!r} is no value of YAML.", "Put quotes around it if it is a text.")
            return None

    def mapping(self, node: yaml.MappingNode, path: Path, around: tuple[yaml.Node, ...]) -> Data:
        data: Data = {}
        for key_node, item in node.value:
            key = key_node.value
            if not isinstance(key, str) or not isinstance(key_node, yaml.ScalarNode):
                self.wrong(key_node, path, "A key is a list or a mapping.", "Write a name there.")
                continue
            self.lines[(*path, key)] = key_node.start_mark.line + 1
            data[key] = self.value(item, (*path, key), around)
        return data

    def say_doubles(self, node: yaml.MappingNode, path: Path) -> None:
        """Before what `<<` names is put in: that may be overridden."""
        first: dict[str, int] = {}
        for key_node, _item in node.value:
            key, line = str(key_node.value), key_node.start_mark.line + 1
            if key in first and key != "<<":
                message = f"{key} stands here a second time; the first one is in line {first[key]}."
                self.wrong(key_node, (*path, key), message, "Keep one of them.")
            first.setdefault(key, line)

    def wrong(self, node: yaml.Node, path: Path, message: str, remedy: str) -> None:
        self.problems.append(Problem(self.name, node.start_mark.line + 1, shown(path), message, remedy))
