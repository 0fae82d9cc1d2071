# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module's part of bringing packages: what is missing, what takes its place, what is removed; then the action."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tarfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils import package_repository as repository
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.modules import package_repository
from unit.plugins.playbook import run_playbook

DEBS = {"a_1.0~rc1+b1_amd64.deb": b"a" * 1000, "b_2_all.deb": b"b" * 2000, "c_3_all.deb": b"c"}


def write(folder: Path, debs: dict[str, bytes]) -> Path:
    """A flat repository."""
    folder.mkdir(parents=True, exist_ok=True)
    stanzas = []
    for name, content in debs.items():
        (folder / name).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        stanzas.append(f"Package: {name[0]}\nFilename: ./{name}\nSize: {len(content)}\nSHA256: {digest}\n")
    (folder / "Packages").write_text("\n".join(stanzas) + "\n")
    (folder / "Release").write_text("Origin: boxlift\n")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def src(tmp_path: Path) -> Path:
    return write(tmp_path / "src", DEBS)


def given(src: Path, dest: Path) -> dict[str, t.Any]:
    return {"src": str(src), "dest": str(dest), "files": [file._asdict() for file in repository.listed(str(src))]}


def send(src: Path, archive: Path, names: t.Sequence[str]) -> list[dict[str, t.Any]]:
    files = [file for file in repository.listed(str(src)) if file.name in names]
    repository.pack(str(src), files, str(archive))
    return [file._asdict() for file in files]


def test_check_take_and_look_again(run_module: t.Any, src: Path, tmp_path: Path) -> None:
    dest = tmp_path / "dest"
    wanted = [*DEBS, "Packages", "Release"]
    for check in (True, False):
        found = run_module(package_repository, check=check, **given(src, dest))
        assert (found["changed"], found["copied"], found["removed"]) == (True, wanted, [])
        assert not dest.exists()
    archive = tmp_path / "archive.tar"
    files = send(src, archive, wanted)
    taken = run_module(package_repository, src=str(src), dest=str(dest), step="take", archive=str(archive), files=files)
    assert taken["copied"] == wanted and not archive.exists()
    assert contents(dest) == contents(src)
    assert {stat.S_IMODE(path.stat().st_mode) for path in dest.iterdir()} == {0o644}
    again = run_module(package_repository, **given(src, dest))
    assert (again["changed"], again["copied"], again["removed"]) == (False, [], [])


def test_what_is_damaged_is_missing_and_what_is_left_over_goes_last(
    run_module: t.Any, src: Path, tmp_path: Path
) -> None:
    dest = write(tmp_path / "dest", {**DEBS, "old_1_all.deb": b"o", ".b_2_all.deb.new": b"killed"})
    (dest / "b_2_all.deb").write_bytes(b"B" * 2000)
    os.unlink(dest / "c_3_all.deb")
    (dest / "c_3_all.deb").symlink_to(src / "c_3_all.deb")
    found = run_module(package_repository, **given(src, dest))
    assert found["copied"] == ["b_2_all.deb", "c_3_all.deb", "Packages"]
    assert found["removed"] == [".b_2_all.deb.new", "old_1_all.deb"]
    assert (dest / "old_1_all.deb").exists()  # the index still names it
    archive = tmp_path / "archive.tar"
    files = send(src, archive, found["copied"])
    run_module(package_repository, src=str(src), dest=str(dest), step="take", archive=str(archive), files=files)
    last = run_module(package_repository, **given(src, dest))
    assert last["changed"] and contents(dest) == contents(src)


def test_only_what_the_index_says_takes_its_place(run_module: t.Any, src: Path, tmp_path: Path) -> None:
    dest, archive = tmp_path / "dest", tmp_path / "archive.tar"
    files = send(src, archive, ["b_2_all.deb"])
    options = {"src": str(src), "dest": str(dest), "step": "take", "archive": str(archive)}
    wrong = [{**files[0], "sha256": "0" * 64}]
    failed = run_module(package_repository, **options, files=wrong)
    assert failed["failed"] and "b_2_all.deb has the SHA-256" in failed["msg"] and "verify.sh" in failed["msg"]
    assert list(dest.iterdir()) == []
    failed = run_module(package_repository, **options, files=[{**files[0], "name": "other.deb"}])
    assert failed["failed"] and "nobody has asked for it" in failed["msg"]
    with tarfile.open(archive, "w") as made:
        entry = tarfile.TarInfo("b_2_all.deb")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        made.addfile(entry)
    assert run_module(package_repository, **options, files=files)["failed"]
    assert list(dest.iterdir()) == []


def test_a_folder_of_something_else_is_not_cleared(run_module: t.Any, src: Path, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home/letter.txt").write_text("dear")
    failed = run_module(package_repository, **given(src, tmp_path / "home"))
    assert failed["failed"] and "holds letter.txt, which is no package" in failed["msg"]


def test_on_the_host_it_is_only_proven(run_module: t.Any, src: Path) -> None:
    found = run_module(package_repository, src=str(src), remote_src=True)
    assert (found["changed"], found["path"]) == (False, str(src))
    (src / "c_3_all.deb").write_bytes(b"x")
    (src / "b_2_all.deb").unlink()
    failed = run_module(package_repository, src=str(src), remote_src=True)
    assert failed["failed"] and "lacks 2 files" in failed["msg"] and "b_2_all.deb, c_3_all.deb" in failed["msg"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("", "There is no "),
        ("Filename: ./../evil\nSize: 1\nSHA256: " + "0" * 64, ""),
        ("Filename: ./.hidden\nSize: 1\nSHA256: " + "0" * 64, "has an entry that is none"),
        ("Filename: ./a b\nSize: 1\nSHA256: " + "0" * 64, "has an entry that is none"),
        ("Filename: ./a\nSize: x\nSHA256: " + "0" * 64, "has an entry that is none"),
        ("Filename: ./a\nSize: 1\nSHA256: 00", "has an entry that is none"),
    ],
)
def test_an_index_that_is_none(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "Release").write_text("")
    if name:
        (tmp_path / "Packages").write_text(name)
    if not text:
        # Folders in a name do not count.
        assert repository.listed(str(tmp_path))[0].name == "evil"
        return
    with pytest.raises(BoxliftError, match=text):
        repository.listed(str(tmp_path))


def test_batches_fit_their_room() -> None:
    files = [repository.File(str(number), size, "") for number, size in enumerate((5, 5, 1, 20, 3))]
    assert [[file.size for file in batch] for batch in repository.batches(files, 10)] == [[5, 5], [1], [20], [3]]
    assert list(repository.batches([], 10)) == []


PLAYBOOK = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - name: Bring
      boxlift.portal.package_repository: {src: src, dest: "{{ playbook_dir }}/dest"}
      register: brought
    - name: Bring again
      boxlift.portal.package_repository: {src: src, dest: "{{ playbook_dir }}/dest"}
      register: again
    - name: Bring from nowhere
      boxlift.portal.package_repository: {src: nowhere, dest: "{{ playbook_dir }}/dest"}
      register: failed
      ignore_errors: true
    - name: Note
      ansible.builtin.copy:
        content: "{{ [brought, again, failed] | to_json }}"
        dest: "{{ playbook_dir }}/returned.json"
        mode: "0600"
"""


def test_the_action_brings_what_is_missing(tmp_path: Path) -> None:
    """In several batches, through Ansible's own connection."""
    big = {f"big{number}_1_all.deb": bytes([number]) * (9 * 2**20) for number in range(3)}
    write(tmp_path / "src", {**DEBS, **big})
    done = run_playbook(tmp_path, PLAYBOOK, ANSIBLE_CALLBACKS_ENABLED="")
    assert done.returncode == 0, done.stdout + done.stderr
    brought, again, failed = json.loads((tmp_path / "returned.json").read_text())
    assert (brought["changed"], again["changed"]) == (True, False)
    assert brought["copied"] == [*DEBS, *big, "Packages", "Release"]
    assert contents(tmp_path / "dest") == contents(tmp_path / "src")
    assert failed["failed"] and "There is no nowhere/Packages" in failed["msg"]
    assert "sha256" not in json.dumps([brought, again])
