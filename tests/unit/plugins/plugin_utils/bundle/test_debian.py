# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages chosen and fetched by the real apt, from tiny archives in folders."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.bundle import debian
from ansible_collections.boxlift.portal.plugins.plugin_utils.bundle.store import Store
from unit.plugins.plugin_utils.bundle import tiny


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("archive")
    tiny.deb(folder, "base", Priority="required")
    tiny.deb(folder, "web", "1.22-1", Depends="libweb (>= 2), mail | other-mail", Recommends="surplus")
    tiny.deb(folder, "libweb", "2.0")
    tiny.deb(folder, "mail", Provides="transport")
    tiny.deb(folder, "other-mail", Conflicts="mail")
    tiny.deb(folder, "post", Depends="other-mail")
    tiny.deb(folder, "surplus")
    return tiny.archive(folder)


@pytest.fixture
def unsigned(monkeypatch: pytest.MonkeyPatch) -> None:
    """The archives here are signed by nobody."""
    monkeypatch.setattr(debian, "_signed", lambda line, _keyring: line)


def names(selection: debian.Selection) -> dict[str, tuple[str, ...]]:
    return {deb.name: deb.wanted_by for deb in selection.debs}


@pytest.mark.usefixtures("unsigned")
class TestApt:
    def test_each_role_is_resolved_by_itself(self, tmp_path: Path, source: str) -> None:
        """Both alternatives are there, although nobody could install them together."""
        apt = debian.Apt(Store(tmp_path), "12", "amd64", [source])
        apt.update(again=True)
        found = apt.resolve({"web": ["web"], "mail": ["post", "exchange"]}, {"exchange"})
        assert names(found) == {
            "base": ("the system",),
            "libweb": ("web",),
            "mail": ("web",),
            "other-mail": ("mail",),
            "post": ("mail",),
            "web": ("web",),
        }
        assert found.absent == ["exchange"]

    def test_what_may_not_be_missing(self, tmp_path: Path, source: str) -> None:
        apt = debian.Apt(Store(tmp_path), "12", "amd64", [source])
        apt.update(again=True)
        with pytest.raises(BoxliftError, match="The archives of Debian 12 have no exchange, unheard-of"):
            apt.resolve({"web": ["web", "unheard-of", "exchange"]}, [])
        assert apt.resolve({"web": ["transport"]}, []).debs  # provided by another one

    def test_written_it_is_a_repository_that_apt_reads(self, tmp_path: Path, source: str) -> None:
        store = Store(tmp_path / "cache")
        apt = debian.Apt(store, "12", "amd64", [source])
        apt.update(again=True)
        found = apt.resolve({"web": ["web"]}, [])
        apt.fetch(found.debs)
        debian.write(tmp_path / "made", apt, found.debs, store)
        assert sorted(path.name for path in (tmp_path / "made").iterdir()) == sorted(
            ["Packages", "Release", *(deb.file for deb in found.debs)]
        )
        assert "Date: Sat, 28 Nov 2026" in (tmp_path / "made/Release").read_text()
        again = debian.Apt(Store(tmp_path / "other"), "12", "amd64", [f"deb [trusted=yes] file:{tmp_path}/made ./"])
        again.update(again=True)
        assert again.resolve({"web": ["web"]}, []).debs == found.debs

    def test_nothing_is_fetched_twice(self, tmp_path: Path, source: str) -> None:
        for run, again in enumerate((True, False, True)):
            store = Store(tmp_path / "cache")
            apt = debian.Apt(store, "12", "amd64", [source])
            apt.update(again)
            found = apt.resolve({"web": ["web"]}, [])
            apt.fetch(found.debs)
            debian.write(tmp_path / f"made{run}", apt, found.debs, store)
            assert store.fetched == (len(found.debs) if run == 0 else 0)

    def test_a_damaged_one_in_the_store_is_fetched_again(self, tmp_path: Path, source: str) -> None:
        store = Store(tmp_path / "cache")
        apt = debian.Apt(store, "12", "amd64", [source])
        apt.update(again=True)
        found = apt.resolve({"web": ["libweb"]}, [])
        apt.fetch(found.debs)
        store.path(found.debs[0].sha256).write_bytes(b"x")
        debian.write(tmp_path / "made", apt, found.debs, store)
        assert (tmp_path / "made" / found.debs[0].file).stat().st_size > 100

    def test_packages_of_the_sites_own(self, tmp_path: Path, source: str) -> None:
        own = [str(tiny.deb(tmp_path, "exchange", "20:22.5~1", Depends="libweb"))]
        store = Store(tmp_path / "cache")
        apt = debian.Apt(store, "13", "amd64", [source])
        apt.add(own)
        apt.update(again=False)
        found = apt.resolve({"telephony": ["exchange"]}, {"exchange"})
        assert names(found) == {
            "base": ("the system",),
            "exchange": ("telephony", "the site"),
            "libweb": ("telephony", "the site"),
        }
        apt.fetch(found.debs)
        debian.write(tmp_path / "made", apt, found.debs, store)
        assert (tmp_path / "made" / Path(own[0]).name).exists()

    def test_a_package_that_is_not_what_the_index_says(self, tmp_path: Path) -> None:
        (tmp_path / "archive").mkdir()
        path = tiny.deb(tmp_path / "archive", "web")
        source = tiny.archive(tmp_path / "archive")
        path.write_bytes(path.read_bytes()[:-1] + b"x")
        apt = debian.Apt(Store(tmp_path / "cache"), "12", "amd64", [source])
        apt.update(again=True)
        found = apt.resolve({"web": ["web"]}, [])
        with pytest.raises(BoxliftError, match=r"apt for Debian 12 failed: .*|did not come"):
            apt.fetch(found.debs)
        assert not Store(tmp_path / "cache").has(found.debs[0].sha256)


def test_an_archive_without_a_signature_is_refused(tmp_path: Path, source: str) -> None:
    line = source.replace(" [trusted=yes]", "")
    apt = debian.Apt(Store(tmp_path), "12", "amd64", [line])
    assert f"[signed-by={debian.KEYRING}]" in (apt.root / "sources.list").read_text()
    with pytest.raises(BoxliftError, match="is not signed"):
        apt.update(again=True)
    # A failed look is none: the next one asks again.
    with pytest.raises(BoxliftError, match="is not signed"):
        apt.update(again=False)


@pytest.mark.parametrize(
    "line",
    [
        "deb [trusted=yes] http://a b main",
        "deb [arch=amd64 allow-insecure=yes] http://a b main",
        "deb-src http://a b main",
        "http://a",
    ],
)
def test_sources_that_are_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(BoxliftError, match="bundle_sources"):
        debian.Apt(Store(tmp_path), "12", "amd64", [line])


def test_a_key_of_ones_own_is_kept(tmp_path: Path) -> None:
    line = "deb [signed-by=/etc/own.gpg] http://mirror.example.com/debian {codename} main"
    apt = debian.Apt(Store(tmp_path), "13", "amd64", [line])
    assert (apt.root / "sources.list").read_text().splitlines()[0] == line.format(codename="trixie")


def test_an_unknown_release(tmp_path: Path) -> None:
    with pytest.raises(BoxliftError, match="Debian 11 is not known here"):
        debian.Apt(Store(tmp_path), "11", "amd64", [])


def test_own_sources_follow_the_release() -> None:
    codename = re.search(r"^VERSION_CODENAME=(\w+)$", Path("/etc/os-release").read_text(), re.MULTILINE)
    assert codename
    listed = "".join(
        f"'http://mirror.example.com/{path}/dists/{suite}/InRelease' x 0 \n"
        for path, suite in (
            ("debian", codename[1]),
            ("debian", f"{codename[1]}-updates"),
            ("debian-security", f"{codename[1]}-security"),
            ("debian", f"{codename[1]}-backports"),
            ("other", "nodistro"),
        )
    )
    assert debian.own_sources(lambda _command: (0, listed, "")) == [
        "deb http://mirror.example.com/debian {codename} main",
        "deb http://mirror.example.com/debian {codename}-updates main",
        "deb http://mirror.example.com/debian-security {codename}-security main",
    ]
    with pytest.raises(BoxliftError, match="has no archive of its own"):
        debian.own_sources(lambda _command: (0, "", ""))


def test_nothing_of_this_machine_is_installed_or_changed(
    tmp_path: Path, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debian, "_signed", lambda line, _keyring: line)
    apt = debian.Apt(Store(tmp_path), "12", "amd64", [source])
    shown = subprocess.run(
        ["env", f"APT_CONFIG={apt.root}/apt.conf", "apt-config", "dump"], check=True, capture_output=True, text=True
    ).stdout
    assert f'Dir "{apt.root}/"' in shown and f'Dir::State::status "{apt.root}/status"' in shown
