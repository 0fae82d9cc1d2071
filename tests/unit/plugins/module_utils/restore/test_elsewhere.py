# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uploads on a storage of their own: each generation has its folder there, which comes and goes with it."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.restore import pipeline as pipeline_module
from ansible_collections.boxlift.portal.plugins.module_utils.restore.restore import Restore, RestoreRequest
from ansible_collections.boxlift.portal.plugins.module_utils.restore.rollback import Rollback
from ansible_collections.boxlift.portal.plugins.module_utils.restore.switch import MARK, remove_tree
from lab.archive_writer import Entry, write_archive


def backup(tmp_path: Path, name: str) -> Path:
    entries = [
        Entry(b"bitrix", "dir", mode=0o755),
        Entry(b"bitrix/.settings.php", data=b"<?php return array();"),
        Entry(b"upload", "dir", mode=0o755),
        Entry(b"upload/iblock", "dir", mode=0o755),
        Entry(b"upload/iblock/one.txt", data=name.encode()),
        Entry(b"upload/photo.jpg", data=b"jpg"),
    ]
    folder = tmp_path / name
    folder.mkdir()
    return write_archive(entries, folder, "backup", kind="tar")[0]


class Site:
    """A document root, and a share."""

    def __init__(self, tmp_path: Path) -> None:
        self.path = tmp_path
        self.root, self.share = tmp_path / "site/www", tmp_path / "share"
        self.share.mkdir()

    def request(self, source: Path, **options: t.Any) -> RestoreRequest:
        places = {"upload": str(self.share)}
        return RestoreRequest(str(source), str(self.root), str(self.path / "state"), elsewhere=places, **options)

    def restore(self, source: Path, **options: t.Any) -> dict[str, t.Any]:
        return Restore(self.request(source, **options), None).run()

    def folders(self) -> list[str]:
        return sorted(path.name for path in self.share.iterdir() if path.is_dir())


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_uploads_lie_there_and_nowhere_else(site: Site) -> None:
    result = site.restore(backup(site.path, "first"), umask=0o027)
    link = site.root / "upload"
    assert link.is_symlink() and link.resolve().parent == site.share
    assert (link / "iblock/one.txt").read_text() == "first" and (link / "photo.jpg").exists()
    assert (result["files"], result["directories"]) == (3, 3)
    assert link.resolve().stat().st_mode & 0o777 == 0o750
    assert (site.root / "bitrix").is_dir() and not (site.root / "bitrix").is_symlink()
    assert not site.restore(site.path / "first/backup.tar")["changed"]


def test_each_generation_keeps_its_own_and_a_rollback_brings_them_back(site: Site) -> None:
    site.restore(backup(site.path, "first"))
    (site.root / "upload/came-later.txt").write_text("by a visitor")
    state = str(site.path / "state")
    site.restore(backup(site.path, "second"), confirm_domain=os.uname().nodename.lower())
    assert (site.root / "upload/iblock/one.txt").read_text() == "second" and len(site.folders()) == 2
    assert not (site.root / "upload/came-later.txt").exists()
    Rollback(str(site.root), state, None, 1).run()
    assert (site.root / "upload/iblock/one.txt").read_text() == "first"
    assert (site.root / "upload/came-later.txt").read_text() == "by a visitor"
    Rollback(str(site.root), state, None, 2).run()
    assert (site.root / "upload/iblock/one.txt").read_text() == "second"


def test_what_goes_with_a_generation_goes_there_too(site: Site) -> None:
    for name in ("first", "second", "third"):
        site.restore(backup(site.path, name), keep_previous=1)
    assert len(site.folders()) == 2
    assert (site.root / "upload/iblock/one.txt").read_text() == "third"


def test_a_killed_restore_goes_on_in_the_folder_that_it_began(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    source = backup(site.path, "first")

    def killed(*_arguments: t.Any) -> t.NoReturn:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(pipeline_module.Pipeline, "run", killed)
        with pytest.raises(KeyboardInterrupt):
            site.restore(source)
    (begun,) = site.folders()
    site.restore(source)
    assert site.folders() == [begun] and (site.root / "upload").resolve().name == begun


def test_what_was_begun_anew_leaves_nothing_there(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    source = backup(site.path, "first")
    with monkeypatch.context() as patched:
        patched.setattr(pipeline_module.Pipeline, "run", lambda *_arguments: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            site.restore(source)
    (begun,) = site.folders()
    remove_tree(str(site.share / begun))  # whoever has tidied up there
    site.restore(source)
    assert len(site.folders()) == 1 and (site.root / "upload/photo.jpg").exists()


def test_a_share_that_is_not_mounted_is_refused(site: Site) -> None:
    site.share.rmdir()
    with pytest.raises(BoxliftError, match=r"There is no folder .*share for upload"):
        site.restore(backup(site.path, "first"))
    assert not site.root.exists()


def test_links_of_others_are_never_followed(site: Site) -> None:
    """A tree that is removed takes along what is marked as its own, and nothing else."""
    tree, foreign = site.path / "tree", site.path / "foreign/upload"
    for folder in (tree, foreign, site.share / "upload-1"):
        folder.mkdir(parents=True)
    (foreign / "kept.txt").write_text("kept")
    (tree / "a").symlink_to(foreign)
    (tree / "b").symlink_to(site.share / "upload-1")
    (tree / "c").symlink_to("../share/upload-1")
    remove_tree(str(tree))
    assert (foreign / "kept.txt").exists() and (site.share / "upload-1").exists()
    tree.mkdir()
    (tree / "upload").symlink_to(site.share / "upload-1")
    (site.share / MARK).touch()
    remove_tree(str(tree))
    assert not (site.share / "upload-1").exists() and not tree.exists()


def test_no_other_link_of_a_tree_removes_a_folder(site: Site) -> None:
    """The portal's account, and whoever wrote the backup, may put any link there; a tree is removed by root."""
    site.restore(backup(site.path, "first"))
    live = (site.root / "upload").resolve()
    tree = site.path / "www_previous_9"
    tree.mkdir()
    (tree / "photos").symlink_to(live)
    (tree / "all").symlink_to(f"{site.share}/..")
    (site.path / "foreign/old-1").mkdir(parents=True)
    (site.path / "foreign" / MARK).symlink_to(site.share / MARK)
    (tree / "old").symlink_to(site.path / "foreign/old-1")
    remove_tree(str(tree))
    assert not tree.exists()
    assert (live / "photo.jpg").exists() and (site.path / "foreign/old-1").is_dir()


def test_a_mark_of_the_portal_s_account_is_none(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    (site.path / "own/x-1").mkdir(parents=True)
    (site.path / "own" / MARK).touch()
    tree = site.path / "www_previous_9"
    tree.mkdir()
    (tree / "x").symlink_to(site.path / "own/x-1")
    own = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: own + 1)
    remove_tree(str(tree))
    assert (site.path / "own/x-1").is_dir()
