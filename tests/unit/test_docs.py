# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever the hand-written pages name is there: files, links, playbooks, modules, roles, variables, make targets."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
OPERATORS = (
    "README.md",
    "docs/guide.md",
    "docs/existing-hosts.md",
    "docs/restricted-sites.md",
    "docs/telephony.md",
    "docs/crm.md",
    "docs/service.md",
    "docs/upkeep.md",
    "docs/monitoring.md",
    "docs/scale.md",
    "docs/fleet.md",
)
OTHERS = ("architecture.md", "archive-format.md", "security.md", "bundle.md")
PAGES = (*OPERATORS, "CONTRIBUTING.md", *(f"docs/{name}" for name in OTHERS))
# A page may leave out the beginning of a path that all of its paths share.
BASES = tuple(ROOT / base for base in ("", "plugins", "plugins/module_utils", "plugins/plugin_utils", "tests"))


def read(page: str) -> str:
    return (ROOT / page).read_text()


def spans(page: str) -> set[str]:
    """What stands between backticks outside of blocks of code."""
    prose = re.sub(r"^```.*?^```", "", read(page), flags=re.MULTILINE | re.DOTALL)
    return set(re.findall(r"`([^`\n]+)`", prose))


def sources(*folders: str) -> list[Path]:
    return [
        path for folder in folders for path in (ROOT / folder).rglob("*.*") if path.suffix in (".py", ".yml", ".md")
    ]


@functools.cache
def words_of_code() -> frozenset[str]:
    files = sources("playbooks", "roles", "plugins", "inventories")
    return frozenset(path.stem for path in files) | {
        word for path in files for word in re.findall(r"\w+", path.read_text())
    }


def slug(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES)
def test_paths(page: str) -> None:
    """A path is what begins with a folder of this repository and has a slash in it."""
    named = {span for span in spans(page) if re.fullmatch(r"[\w.-]+(/[\w.-]+)*/?", span) and "/" in span}
    ours = {path for path in named if any((base / path.split("/")[0]).is_dir() for base in BASES)}
    missing = sorted(path for path in ours if not any((base / path).exists() for base in BASES))
    assert not missing, f"{page} names what is not there"


@pytest.mark.parametrize("page", PAGES)
def test_links(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", read(page)):
        path, _hash, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), f"{page} links to {target}"
        if anchor:
            assert anchor in map(slug, re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)), target


@pytest.mark.parametrize("page", PAGES)
def test_names_of_the_collection(page: str) -> None:
    """`boxlift.portal.NAME` is a playbook, a role or a plugin; `make NAME` is a target."""
    folders = (
        "playbooks",
        "roles",
        *(f"plugins/{kind}" for kind in ("modules", "callback", "filter", "doc_fragments")),
    )
    ours = {path.stem for folder in folders for path in (ROOT / folder).iterdir()}
    assert set(re.findall(r"boxlift\.portal\.(\w+)", read(page))) <= ours
    targets = set(re.findall(r"^([\w-]+):", read("Makefile"), re.MULTILINE))
    assert set(re.findall(r"(?:^|`|; )make ([\w-]+)", read(page), re.MULTILINE)) <= targets


@pytest.mark.parametrize("page", OPERATORS)
def test_variables(page: str) -> None:
    named = {span for span in spans(page) if re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)+", span)}
    assert not named - words_of_code(), f"{page} names what no code knows"


@pytest.mark.parametrize("page", OPERATORS)
def test_sentences_are_short(page: str) -> None:
    """An operator reads them at night."""
    text = re.sub(r"^```.*?^```", "", read(page), flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"\]\([^)]*\)", "", text)
    blocks = re.split(r"\n\s*\n|\n(?=[-*#|]|\d+\. )|\|", text)
    sentences = [sentence.split() for block in blocks for sentence in re.split(r"(?<=[.!?])\W*\s", block)]
    longest = max(sentences, key=len)
    assert len(longest) <= 28, " ".join(longest)


def test_types_of_the_glossary() -> None:
    """Each `Type` stands in the file that the table names for it."""
    rows = re.findall(r"^\| `(\w+)` \| `([\w/.]+\.py)` \|", read("docs/architecture.md"), re.MULTILINE)
    assert rows
    for name, path in rows:
        file = next(base / path for base in BASES if (base / path).exists())
        assert re.search(rf"^class {name}\b", file.read_text(), re.MULTILINE), f"{name} in {path}"


def test_reading_order() -> None:
    """Each package names all of its files in its `__init__.py`, or has a row on the page."""
    rows = dict(re.findall(r"^\| `(\w+_utils/[\w/]+)/` \| (.+) \|$", read("docs/architecture.md"), re.MULTILINE))
    plugins = ROOT / "plugins"
    packages = {file.parent for kind in ("module_utils", "plugin_utils") for file in (plugins / kind).glob("*/**/*.py")}
    for package in sorted(packages):
        own, row = package / "__init__.py", rows.pop(str(package.relative_to(plugins)), "")
        assert own.exists() != bool(row), f"{package}: text of its own or a row"
        if row or package.name == "checks":  # there it is a file for each area
            continue
        named = set(re.findall(r"`(\w+)`", own.read_text()))
        assert {file.stem for file in package.glob("*.py") if file != own} <= named, f"{own} does not name all files"
    assert not rows


def test_every_playbook_runs_as_a_site_runs_it() -> None:
    """Scenarios run README's playbooks, with the variables that pages print."""
    commands = yaml.safe_load(read("molecule/site/vars/site.yml"))["site_commands"]
    night = read("molecule/cutover/files/night.py")
    commands += [f"boxlift.portal.{name}" for name in re.findall(r'play\(\s*"(\w+)"', night)]
    commands += [f"-e {name}=" for name in re.findall(r'(?:--extra-vars=|")(\w+)(?:=|": )', night)]
    at_the_desk = read("plugins/plugin_utils/manual/mig.sh")
    commands += [
        f"boxlift.portal.{name}" for name in re.findall(r"(?:\|\||\)|^) ?play (\w+)", at_the_desk, re.MULTILINE)
    ]
    for name in ("crm", "aftercare", "monitoring", "update", "cluster"):
        for page in sorted((ROOT / "molecule" / name).glob("*.yml")):
            commands += re.findall(r"import_playbook: (boxlift\.portal\.\w+)", page.read_text())
            given = r"\b((?:backup|crm|database|drill|failover|monitoring|recover|update)_\w+)[:=]"
            commands += [f"-e {each}=" for each in re.findall(given, page.read_text())]
    for page in ("prepare.yml", "files/telephone.py"):
        text = read(f"molecule/restricted/{page}")
        commands += re.findall(r"ansible-playbook\W+boxlift\.portal\.\w+", text)
        commands += [f"-e {name}=" for name in re.findall(r"\b((?:bundle|envelopes|manual|read_back)\w*)\b", text)]
    # What is done on the controller alone runs in a unit test, by the same names.
    for page in ("test_service.py", "test_scale.py"):
        text = read(f"tests/unit/playbooks/{page}")
        commands += [f"boxlift.portal.{name}" for name in re.findall(r'named\("(\w+)"', text)]
        commands += [f"-e {name}=" for name in re.findall(r"\b((?:incident|visit|service|site|size|fleet)_\w+)=", text)]
    run = {name for command in commands for name in re.findall(r"boxlift\.portal\.(\w+)", command)}
    waiting = list(run)
    while waiting:
        imported = re.findall(
            r"import_playbook: boxlift\.portal\.(\w+)$", read(f"playbooks/{waiting.pop()}.yml"), re.MULTILINE
        )
        waiting += set(imported) - run
        run |= set(imported)
    table = re.findall(r"^\| `(\w+)` \|", read("README.md"), re.MULTILINE)
    assert sorted(run) == sorted(table) == sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))
    printed = {name for page in OPERATORS for name in re.findall(r"-e (\w+)=", read(page))}
    assert printed <= set(re.findall(r"-e (\w+)=", " ".join(commands)))
