# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole small bundle, from tiny repositories through the real apt and pip to the real verify.sh."""

from __future__ import annotations

import dataclasses
import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.bundle import build, debian, manifest
from ansible_collections.boxlift.portal.plugins.plugin_utils.bundle.store import Store
from unit.plugins.plugin_utils.bundle import tiny
from unit.plugins.plugin_utils.bundle.conftest import FACTS, Site

Make = t.Callable[..., build.Built]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny repositories, and a site's files."""
    folder = tmp_path_factory.mktemp("shelf")
    for name in ("archive", "index", "inventory/group_vars", "manual/steps"):
        (folder / name).mkdir(parents=True)
    tiny.deb(folder / "archive", "base", Priority="required", licence="MIT")
    tiny.deb(folder / "archive", "web", "1.22-1", Depends="libweb")
    tiny.deb(folder / "archive", "libweb", "2.0", licence="->base")
    tiny.archive(folder / "archive")
    for name in ("engine", "pip"):
        tiny.wheel(folder / "index", name, License_Expression=["MIT"])
    (folder / "inventory/hosts.yml").write_text("all: {}\n")
    (folder / "inventory/migration_plan.yml").write_text("site: portal.example.com\n")
    (folder / "manual/manual.html").write_text("<html></html>")
    (folder / "manual/codes.html").write_text("secret")
    (folder / "manual/steps/1.1.json").write_text("{}")
    return folder


@pytest.fixture
def make(shelf: Path, keys: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    monkeypatch.setattr(debian, "_signed", lambda line, _keyring: line)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf / "index"))
    monkeypatch.setenv("PIP_CONSTRAINT", "")

    def make(dest: str = "bundle", version: int = 7, built_at: str = FACTS.built_at, **more: t.Any) -> build.Built:
        cache, check = more.pop("cache", "cache"), more.pop("check", False)
        request = build.Request(
            dest=tmp_path / dest,
            facts=dataclasses.replace(FACTS, version=version, built_at=built_at),
            releases=["12"],
            sources=[f"deb [trusted=yes] file:{shelf}/archive ./"],
            key_file=str(keys.key("contractor")),
        )
        site = {
            "inventory": shelf / "inventory",
            "plan": shelf / "inventory/migration_plan.yml",
            "manual": shelf / "manual",
        }
        request = dataclasses.replace(request, **{**{key: str(path) for key, path in site.items()}, **more})
        contents = tiny.Contents(["engine", "pip"], {"web": ["web"], "telephony": ["asterisk"]})
        return build.build(request, Store(tmp_path / cache), contents, check)

    return make


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_it_holds_what_a_site_needs_and_verifies(make: Make, keys: Site, tmp_path: Path) -> None:
    made = make()
    assert (made.changed, made.id, made.absent, made.kept_back) == (
        True,
        "portal.example.com-7",
        ["12 asterisk"],
        ["manual/codes.html"],
    )
    held = set(files(tmp_path / "bundle"))
    assert {path for path in held if not path.startswith("checks/")} == {
        *(
            "BUNDLE.json",
            "BUNDLE.sig.contractor",
            "SHA256SUMS",
            "README.txt",
            "verify.sh",
            "install.sh",
            "countersign.sh",
        ),
        "collections/some-thing-1.2.3.tar.gz",
        *("python/engine-1.0-py3-none-any.whl", "python/pip-1.0-py3-none-any.whl", "python/requirements-3.11.txt"),
        *(f"debian/12/{name}" for name in ("Packages", "Release", "base_1.0_amd64.deb", "libweb_2.0_amd64.deb")),
        "debian/12/web_1.22-1_amd64.deb",
        *("inventory/hosts.yml", "inventory/migration_plan.yml", "plan/migration_plan.yml"),
        *("manual/manual.html", "manual/steps/1.1.json"),
        *("sbom/components.csv", "sbom/index.html", "sbom/sbom.cdx.json"),
    }
    assert "checks/README.md" in held
    assert keys.verify(tmp_path / "bundle").code == 0
    found = manifest.read(tmp_path / "bundle")
    listed = {one["path"]: (one["kind"], one["licence"]) for one in found["contents"]}
    # Its documents are those of another package.
    assert listed["debian/12/libweb_2.0_amd64.deb"] == ("deb", "MIT")
    assert listed["python/engine-1.0-py3-none-any.whl"] == ("wheel", "MIT")
    assert listed["inventory/hosts.yml"] == ("inventory", "")
    assert (found["site"], found["plan_sha256"], found["min_engine"]) == ("portal.example.com", "ab" * 32, "")
    page = (tmp_path / "bundle/sbom/index.html").read_text()
    assert "Debian 12 has no asterisk." in page and "web_1.22-1_amd64.deb" in page
    assert list(tmp_path.glob(".bundle*")) == []


def test_made_again_elsewhere_it_is_the_same_but_for_the_time(make: Make, tmp_path: Path) -> None:
    make("one")
    make("other", built_at="2026-03-04T05:06:07Z", cache="other-cache")
    one, other = files(tmp_path / "one"), files(tmp_path / "other")
    assert {name for name in one if one[name] != other.get(name)} == {
        *("BUNDLE.json", "BUNDLE.sig.contractor", "README.txt", "SHA256SUMS")
    }
    manifests = [json.loads(each["BUNDLE.json"]) for each in (one, other)]
    assert manifest.same_but_time(*manifests)
    assert {key for key in manifests[0] if manifests[0][key] != manifests[1][key]} == {
        *("built_at", "contents", "sums_sha256")
    }


def test_made_again_in_place_nothing_changes(make: Make, tmp_path: Path, shelf: Path) -> None:
    first = make()
    before = files(tmp_path / "bundle")
    again = make(version=8, built_at="2026-03-04T05:06:07Z")
    assert (again.changed, again.id, again.manifest_sha256, again.fetched) == (
        False,
        first.id,
        first.manifest_sha256,
        0,
    )
    assert files(tmp_path / "bundle") == before
    (shelf / "manual/new.html").write_text("new")
    changed = make(version=9)
    (shelf / "manual/new.html").unlink()
    assert (changed.changed, changed.id, changed.fetched) == (True, "portal.example.com-9", 0)


def test_a_differential_one_holds_what_differs(make: Make, keys: Site, tmp_path: Path, shelf: Path) -> None:
    make("base")
    (shelf / "manual/new.html").write_text("new")
    made = make("update", version=8, base=str(tmp_path / "base"))
    (shelf / "manual/new.html").unlink()
    held = set(files(tmp_path / "update")) - manifest.UNLISTED
    assert held == {"README.txt", "manual/new.html", *build.SCRIPTS}
    assert made.files > 20 and made.size < 25000
    assert keys.verify(tmp_path / "update").code == 6
    assert keys.verify(tmp_path / "update", "-b", tmp_path / "base").code == 0


def test_a_secret_is_refused_before_anything_is_fetched(make: Make, tmp_path: Path) -> None:
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory/vars.yml").write_text("site_database_password: Canary-4711\n")
    with pytest.raises(BoxliftError, match=r"vars\.yml:1"):
        make(inventory=str(tmp_path / "inventory"), sources=["deb [trusted=yes] file:/nowhere ./"])
    assert not (tmp_path / "bundle").exists() and list(tmp_path.glob(".bundle*")) == []


def test_check_mode_fetches_and_writes_nothing(make: Make, tmp_path: Path) -> None:
    made = make(check=True, sources=["deb [trusted=yes] file:/nowhere ./"])
    assert made.changed and made.kept_back == ["manual/codes.html"]
    assert not (tmp_path / "bundle").exists()


def test_what_was_there_stays_where_it_fails(make: Make, tmp_path: Path) -> None:
    make()
    before = files(tmp_path / "bundle")
    with pytest.raises(BoxliftError, match="did not sign"):
        make(version=8, key_file=str(tmp_path / "nowhere"), packages=["libweb"], manual="")
    assert files(tmp_path / "bundle") == before


def test_another_folder_is_not_replaced(make: Make, tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle/diary").write_text("x")
    with pytest.raises(BoxliftError, match="is no bundle"):
        make()
    (tmp_path / "file").write_text("x")
    with pytest.raises(BoxliftError, match="is a file"):
        make("file")
    assert (tmp_path / "bundle/diary").exists()


def test_unsigned_it_can_be_signed_later(make: Make, keys: Site, tmp_path: Path) -> None:
    assert make(key_file="").changed
    assert keys.verify(tmp_path / "bundle").code == 3
    # The same content, and now a key: it is signed.
    assert make().changed
    assert keys.verify(tmp_path / "bundle").code == 0
