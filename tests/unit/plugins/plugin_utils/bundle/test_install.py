# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""install.sh on a bundle whose Python is a small script: what it refuses, repeats, keeps and switches."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.plugin_utils.bundle import build
from unit.plugins.plugin_utils.bundle.conftest import SITE, Run, Site, make, sh

# In place of Python: says its version, makes a venv with itself in it, and notes the calls of pip and ansible-galaxy.
PYTHON = """#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
case $1$2 in
    -cimport*) echo 3.11 ;;
    -mvenv)
        for folder; do :; done
        mkdir -p "$folder/bin"
        cp "$0" "$folder/bin/python"
        cp "$0" "$folder/bin/ansible-galaxy" ;;
    -mpip) echo "$PYTHONPATH $*" > "$here/pip.log" ;;
    collectioninstall) echo "$*" > "$here/galaxy.log" ;;
    *) exit 5 ;;
esac
"""
ROOT = Path(__file__).parents[5]
SCRIPTS = {name: (build.HERE / name).read_bytes() for name in build.SCRIPTS}
FILES = {
    **SCRIPTS,
    "README.txt": b"A bundle.\n",
    "python/pip-1-py3-none-any.whl": b"pip",
    "python/requirements-3.11.txt": b"engine==1\n",
    "collections/a-b-1.tar.gz": b"collection",
    "inventory/hosts.yml": b"all: {}\n",
    "plan/plan.yml": b"site: portal.example.com\n",
    "manual/mig": b'#!/bin/sh\necho "mig $* in $(pwd)"\n',
    "manual/steps/3.2.json": b"{}",
}
Install = t.Callable[..., Run]


@pytest.fixture
def medium(tmp_path: Path, keys: Site) -> Path:
    return make(tmp_path / "medium", FILES, keys.key("contractor"))


@pytest.fixture
def install(tmp_path: Path, keys: Site) -> Install:
    python = tmp_path / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)

    def run(bundle: Path, *options: str | Path, site: str = SITE, names: t.Sequence[str] = ("contractor",)) -> Run:
        given = ("-k", keys.signers(*names), "-s", site, "-p", tmp_path / "opt", "-n", tmp_path / "bin", "-y", python)
        return sh(bundle / "install.sh", *given, *options)

    return run


def test_a_controller_is_set_up(install: Install, medium: Path, tmp_path: Path) -> None:
    done = install(medium)
    assert done.code == 0, done
    assert done.said.startswith("GOOD: ") and f"INSTALLED: {SITE}-7 in {tmp_path}/opt\n" in done.said
    current = tmp_path / "opt/current"
    assert os.readlink(current) == f"releases/{SITE}-7"
    assert (current / "bundle/BUNDLE.json").read_bytes() == (medium / "BUNDLE.json").read_bytes()
    pip = (current / "venv/bin/pip.log").read_text()
    stored = tmp_path / f"opt/bundles/{SITE}-7"
    assert pip.startswith(f"{stored}/python/pip-1-py3-none-any.whl -m pip --isolated")
    assert f"--no-index --find-links {stored}/python --require-hashes" in pip
    assert f"{stored}/collections/a-b-1.tar.gz" in (current / "venv/bin/galaxy.log").read_text()
    settings = (tmp_path / "opt/site/ansible.cfg").read_text()
    assert "inventory = ../current/bundle/inventory,local\n" in settings
    guide = re.search(r"```ini\n(\[defaults\]\n.*?)```", (ROOT / "docs/guide.md").read_text(), re.DOTALL)
    assert guide
    assert set(guide[1].splitlines()) - set(settings.splitlines()) == {"inventory = inventory"}
    assert (tmp_path / "opt/site/plan/plan.yml").exists() and (tmp_path / "opt/site/steps/3.2.json").exists()
    ran = subprocess.run([tmp_path / "bin/mig", "3.2", "41730 5"], capture_output=True, text=True, check=True)
    assert ran.stdout == f"mig 3.2 41730 5 in {tmp_path}/opt/site\n"
    shown = subprocess.run(
        [tmp_path / "bin/boxlift-site", "printenv", "PATH"], capture_output=True, text=True, check=True
    )
    assert shown.stdout.startswith(f"{tmp_path}/opt/current/venv/bin:")


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_ino, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def test_again_it_changes_nothing_that_is_right(install: Install, medium: Path, tmp_path: Path) -> None:
    install(medium)
    before = {
        name: found for name, found in state(tmp_path / "opt").items() if not name.startswith(("installed", "site/ans"))
    }
    assert install(medium).code == 0
    after = state(tmp_path / "opt")
    assert {name: after[name] for name in before} == before


def test_what_the_site_added_is_kept(install: Install, medium: Path, keys: Site, tmp_path: Path) -> None:
    install(medium)
    site = tmp_path / "opt/site"
    (site / "local/group_vars/all/vault.yml").write_text("$ANSIBLE_VAULT;1.1;AES256\n")
    (site / "local/hosts.yml").write_text("all: {hosts: {own: }}\n")
    (site / "journal.jsonl").write_text("{}\n")
    (site / "ansible.cfg").write_text("[defaults]\nforks = 9\n")
    kept = {name: content for name, (_inode, content) in state(site).items()}
    assert install(make(tmp_path / "next", FILES, keys.key("contractor"), version=8)).code == 0
    assert {name: content for name, (_inode, content) in state(site).items()} == kept
    assert os.readlink(tmp_path / "opt/current") == f"releases/{SITE}-8"


def test_what_does_not_verify_is_not_installed(install: Install, medium: Path, keys: Site, tmp_path: Path) -> None:
    """Each with the code of verify.sh, and nothing of it stays."""
    stranger = make(tmp_path / "stranger", FILES, keys.key("stranger"))
    expired = make(tmp_path / "expired", FILES, keys.key("contractor"), valid_to="2026-02-01")
    update = make(tmp_path / "update", {**FILES, "new": b"n"}, keys.key("contractor"), medium, version=8)
    changed = shutil.copytree(medium, tmp_path / "changed")
    (changed / "plan/plan.yml").write_bytes(b"site: another\n")
    refused = [
        (2, install(changed)),
        (3, install(stranger)),
        (3, install(medium, names=("contractor", "customer"))),
        (4, install(expired)),
        (5, install(medium, site="another")),
        (6, install(update)),
    ]
    assert [done.code for _code, done in refused] == [code for code, _done in refused], refused
    assert not (tmp_path / "opt/current").exists() and not (tmp_path / "bin").exists()
    assert list((tmp_path / "opt/bundles").iterdir()) == []


class TestVersion:
    """What was installed once is the least that comes in."""

    def test_an_older_one_is_refused(self, install: Install, medium: Path, keys: Site, tmp_path: Path) -> None:
        install(medium)
        done = install(make(tmp_path / "older", FILES, keys.key("contractor"), version=6))
        assert done.code == 7 and f"version 6 is older than {SITE}-7" in done.complaints
        assert os.readlink(tmp_path / "opt/current") == f"releases/{SITE}-7"

    def test_another_one_of_the_same_version_is_refused(
        self, install: Install, medium: Path, keys: Site, tmp_path: Path
    ) -> None:
        install(medium)
        other = make(tmp_path / "other", {**FILES, "new": b"n"}, keys.key("contractor"))
        assert install(other).code == 7
        assert install(medium).code == 0

    def test_numbers_are_compared_as_numbers(self, install: Install, keys: Site, tmp_path: Path) -> None:
        for version, code in ((9, 0), (10, 0), (20261129223000, 0), (9, 7), (20261129222959, 7)):
            bundle = make(tmp_path / f"b{version}-{code}", FILES, keys.key("contractor"), version=version)
            assert install(bundle).code == code


class TestDifferential:
    @pytest.fixture
    def update(self, keys: Site, medium: Path, tmp_path: Path) -> Path:
        files = {**FILES, "plan/plan.yml": b"site: portal.example.com\ntitle: new\n"}
        return make(tmp_path / "update", files, keys.key("contractor"), medium, version=8)

    def test_completed_by_the_one_that_is_installed(
        self, install: Install, medium: Path, update: Path, tmp_path: Path
    ) -> None:
        install(medium)
        done = install(update)
        assert done.code == 0, done
        stored = tmp_path / "opt/current/bundle"
        assert (stored / "collections/a-b-1.tar.gz").read_bytes() == b"collection"
        assert b"title: new" in (stored / "plan/plan.yml").read_bytes()
        assert install(stored.resolve()).code == 0  # from there it repairs itself

    def test_completed_by_one_that_is_named(self, install: Install, medium: Path, update: Path) -> None:
        assert install(update, "-b", medium).code == 0

    def test_not_completed_by_another_one(self, install: Install, update: Path, keys: Site, tmp_path: Path) -> None:
        other = make(tmp_path / "other", FILES, keys.key("contractor"), version=6)
        assert install(update, "-b", other).code == 6
        assert not (tmp_path / "opt/current").exists()


def mortal(text: str) -> tuple[str, int]:
    """install.sh with a place to die before each command that changes something, and the number of places.

    It dies at the place whose number is in the file that DIE names.
    """
    lines = text.splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("# A medium may show"))
    made, places = lines[:begin], 0
    for before, line in zip(lines[begin - 1 :], lines[begin:]):
        commands = ("rm ", "cp ", "mv ", "mkdir ", "ln ", "sync ", "chmod ", "PYTHONPATH=", "HOME=", '"$python" -m')
        if line.lstrip().startswith(commands) and not before.endswith("\\"):
            made.append(f'[ "$(cat "$DIE" 2>/dev/null)" != {places} ] || kill -9 $$')
            places += 1
        made.append(line)
    return "\n".join(made) + "\n", places


MORTAL, PLACES = mortal((build.HERE / "install.sh").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("place", range(PLACES))
def test_killed_at_any_place_it_ends_well_at_the_next_run(
    install: Install, medium: Path, keys: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    """Nothing half is used after the kill, and the same bundle again completes it."""
    monkeypatch.setenv("DIE", str(tmp_path / "die"))
    base = make(tmp_path / "base", FILES, keys.key("contractor"), version=5)
    bundle = make(
        tmp_path / "mortal",
        {**FILES, "install.sh": MORTAL.encode(), "new": b"n"},
        keys.key("contractor"),
        base,
        version=8,
    )
    shutil.copy(build.HERE / "verify.sh", tmp_path / "trusted.sh")
    (tmp_path / "die").write_text(str(place))
    done = install(bundle, "-b", base)
    # The last ones clear up what a killed run or a refusal has left.
    assert done.code in (-9, 0)
    current = tmp_path / "opt/current"
    assert not current.exists() or (current / ".complete").exists()
    (tmp_path / "die").unlink()
    assert install(bundle, "-b", base).code == 0
    assert keys.verify(current / "bundle").code == 0
    assert (current / ".complete").read_text() == "3.11\n" and (current / "venv/bin/pip.log").exists()
    assert install(base).code == 7


def test_it_is_killed_at_most_places(
    install: Install, keys: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above would prove nothing where nobody dies."""
    assert PLACES >= 20 and MORTAL.count("kill -9") == PLACES
    monkeypatch.setenv("DIE", str(tmp_path / "die"))
    (tmp_path / "die").write_text(str(PLACES - 1))
    bundle = make(tmp_path / "mortal", {**FILES, "install.sh": MORTAL.encode()}, keys.key("contractor"))
    assert install(bundle).code == -9
    assert not (tmp_path / "opt/current").exists() and (tmp_path / "opt/installed").exists()


def test_two_at_once_are_not_possible(install: Install, medium: Path, tmp_path: Path) -> None:
    (tmp_path / "opt").mkdir()
    with subprocess.Popen(
        ["flock", tmp_path / "opt/.lock", "sh", "-c", "echo held; read line"], stdin=-1, stdout=-1
    ) as other:
        assert other.stdout and other.stdin
        other.stdout.readline()
        done = install(medium)
        other.stdin.close()
    assert done.code == 1 and "another install.sh is at work" in done.complaints


def test_wrong_calls(install: Install, medium: Path, keys: Site, tmp_path: Path) -> None:
    assert install(medium, "further").code == 1
    assert install(medium, "-p", tmp_path / "with space").code == 1
    assert sh(medium / "install.sh").code == 1
    shutil.copy(keys.signers("contractor"), medium / "signers")
    done = sh(medium / "install.sh", "-k", medium / "signers", "-s", SITE, "-p", tmp_path / "opt")
    assert done.code == 1 and "prove nothing" in done.complaints


def test_a_python_that_the_bundle_has_nothing_for(install: Install, medium: Path, tmp_path: Path) -> None:
    (tmp_path / "python").write_text(PYTHON.replace("3.11", "3.14"))
    done = install(medium)
    assert done.code == 1 and "has packages for Python 3.11, not for 3.14" in done.complaints
    assert install(medium, "-y", tmp_path / "nowhere").code == 1


def test_a_program_that_fails_is_no_code_of_ours(install: Install, medium: Path, tmp_path: Path) -> None:
    """pip ends with 5 here, which would say that the bundle is another site's."""
    (tmp_path / "python").write_text(PYTHON.replace("-mpip)", "-mpip) exit 5;;\n    none)"))
    assert install(medium).code == 1
    assert not (tmp_path / "opt/current").exists()
