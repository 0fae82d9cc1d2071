# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""verify.sh against every kind of tampering, each with its exit code."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.bundle import build, manifest
from unit.plugins.plugin_utils.bundle.conftest import FILES, SITE, Site, make, sh

Tamper = t.Callable[[Path], t.Any]
NGINX = "debian/12/nginx_1.22~1+b1_amd64.deb"


def edit(bundle: Path, name: str, before: str, after: str) -> None:
    path = bundle / name
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def swap(bundle: Path) -> None:
    one, other = bundle / NGINX, bundle / "python/two words.whl"
    content = one.read_bytes(), other.read_bytes()
    one.write_bytes(content[1])
    other.write_bytes(content[0])


def replace_by_link(bundle: Path) -> None:
    """The link leads to the right content, and could lead elsewhere at the next look."""
    moved = bundle.parent / "moved"
    shutil.move(bundle / NGINX, moved)
    (bundle / NGINX).symlink_to(moved)


def list_again(bundle: Path) -> None:
    """A changed file with a list of sums that agrees."""
    (bundle / NGINX).write_bytes(b"another package\n")
    before, after = (hashlib.sha256(content).hexdigest() for content in (FILES[NGINX], b"another package\n"))
    edit(bundle, "SHA256SUMS", before, after)


CONTENT: dict[str, Tamper] = {
    "changed byte": lambda bundle: (bundle / NGINX).write_bytes(b"a packagf\n"),
    "longer by a byte": lambda bundle: (bundle / NGINX).write_bytes(b"a package\n\n"),
    "emptied": lambda bundle: (bundle / NGINX).write_bytes(b""),
    "missing": lambda bundle: (bundle / NGINX).unlink(),
    "missing, with an odd name": lambda bundle: (bundle / "manual/-rf").unlink(),
    "swapped": swap,
    "extra": lambda bundle: (bundle / "debian/12/evil.deb").write_bytes(b"x"),
    "extra, in a new folder": lambda bundle: ((bundle / "new").mkdir(), (bundle / "new/file").write_bytes(b"")),
    "extra, hidden": lambda bundle: (bundle / "manual/.hidden").write_bytes(b""),
    "extra, with a line break": lambda bundle: (bundle / "a\nb  README.txt").write_bytes(b"x"),
    "extra, like an option": lambda bundle: (bundle / "--check").write_bytes(b"x"),
    "extra, for every one missing": lambda bundle: (bundle / NGINX).rename(bundle / "debian/12/other.deb"),
    "a list of a base, and no base": lambda bundle: (bundle / "SHA256SUMS.base").write_bytes(b""),
    "link to the right content": replace_by_link,
    "link to a folder": lambda bundle: (bundle / "link").symlink_to("/etc"),
    "dangling link": lambda bundle: (bundle / "link").symlink_to("nowhere"),
    "pipe": lambda bundle: os.mkfifo(bundle / "pipe"),
    "list of sums edited": list_again,
    "list of sums missing": lambda bundle: (bundle / "SHA256SUMS").unlink(),
    "list of sums with a further line": lambda bundle: (bundle / "SHA256SUMS").open("a").write("\n"),
    "folder for a signature": lambda bundle: (
        (bundle / "SHA256SUMS.base").mkdir(),
        (bundle / "SHA256SUMS.base/x").touch(),
    ),
}
SIGNATURE: dict[str, Tamper] = {
    "later day": lambda bundle: edit(bundle, "BUNDLE.json", "2999-12-31", "2999-12-30"),
    "another version": lambda bundle: edit(bundle, "BUNDLE.json", '"version": 7', '"version": 8'),
    "byte at the end": lambda bundle: (bundle / "BUNDLE.json").open("a").write("\n"),
    "zero byte": lambda bundle: (bundle / "BUNDLE.json").open("ab").write(b"\0"),
    "no signature": lambda bundle: (bundle / manifest.CONTRACTOR).unlink(),
    "no text": lambda bundle: (bundle / manifest.CONTRACTOR).write_bytes(b""),
    "no manifest": lambda bundle: (bundle / "BUNDLE.json").unlink(),
    "broken signature of the customer": lambda bundle: (bundle / manifest.CUSTOMER).write_bytes(b"x"),
    "contractor's for the customer's": lambda bundle: shutil.copy(
        bundle / manifest.CONTRACTOR, bundle / manifest.CUSTOMER
    ),
}


def test_a_good_one_is_good(keys: Site, bundle: Path) -> None:
    done = keys.verify(bundle)
    assert (done.code, done.complaints) == (0, "")
    sum_ = hashlib.sha256((bundle / "BUNDLE.json").read_bytes()).hexdigest()
    assert done.said.splitlines() == [
        f"GOOD: bundle {SITE}-7, version 7, for {SITE}, valid to 2999-12-31, signed by contractor",
        f"plan {'ab' * 32}; manifest {sum_}; files {len(FILES)}",
    ]


@pytest.mark.parametrize("tamper", CONTENT.values(), ids=CONTENT)
def test_other_content_is_refused(keys: Site, bundle: Path, tamper: Tamper) -> None:
    tamper(bundle)
    done = keys.verify(bundle)
    assert (done.code, done.said) == (2, ""), done
    assert done.complaints.startswith("REFUSED (2): ")


@pytest.mark.parametrize("tamper", SIGNATURE.values(), ids=SIGNATURE)
def test_another_signature_is_refused(keys: Site, bundle: Path, tamper: Tamper) -> None:
    tamper(bundle)
    done = keys.verify(bundle)
    assert (done.code, done.said) == (3, ""), done
    assert done.complaints.startswith("REFUSED (3): ")


def test_what_is_damaged_is_named(keys: Site, bundle: Path) -> None:
    (bundle / NGINX).write_bytes(b"x")
    (bundle / "manual/-rf").unlink()
    said = keys.verify(bundle).complaints
    assert f"./{NGINX}: FAILED" in said and "./manual/-rf: FAILED open or read" in said


def test_a_name_cannot_write_on_the_terminal(keys: Site, bundle: Path) -> None:
    (bundle / "\x1b[2Jpipe").symlink_to("/")
    assert "\x1b" not in keys.verify(bundle).complaints


def test_a_file_instead_of_a_folder_for_a_signature(keys: Site, bundle: Path) -> None:
    (bundle / manifest.CUSTOMER).mkdir()
    assert keys.verify(bundle).code == 3


def test_a_strangers_key_is_refused(keys: Site, tmp_path: Path) -> None:
    made = make(tmp_path / "b", FILES, keys.key("stranger"))
    assert keys.verify(made).code == 3
    # The right key under the wrong name is none either.
    signers = keys.folder / "wrong-name"
    signers.write_text(keys.signers("contractor").read_text().replace("contractor", "customer", 1))
    assert sh(build.HERE / "verify.sh", "-k", signers, "-s", SITE, made).code == 3


def test_a_signature_for_another_purpose_is_refused(keys: Site, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "NAMESPACE", "file")
    manifest.sign(bundle, str(keys.key("contractor")))
    assert keys.verify(bundle).code == 3


def test_keys_from_within_the_bundle_are_refused(keys: Site, bundle: Path) -> None:
    (bundle / "keys").mkdir()
    signers = Path(shutil.copy(keys.signers("contractor"), bundle / "keys/signers"))
    done = sh(build.HERE / "verify.sh", "-k", signers, "-s", SITE, bundle)
    assert done.code == 1 and "prove nothing" in done.complaints


def test_another_site_is_refused(keys: Site, bundle: Path) -> None:
    done = keys.verify(bundle, site="portal.example.org")
    assert (done.code, done.said) == (5, "")
    assert "made for portal.example.com, and this is portal.example.org" in done.complaints


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({"valid_to": "2026-02-01"}, "valid to 2026-02-01, and today is 20"),
        ({"built_at": "2998-01-02T03:04:05Z"}, "set the clock"),
        ({"valid_to": "never"}, "valid to never"),
    ],
)
def test_a_day_that_is_none_is_refused(keys: Site, tmp_path: Path, facts: dict[str, str], text: str) -> None:
    made = make(tmp_path / "b", FILES, keys.key("contractor"), **facts)
    done = keys.verify(made)
    assert done.code == 4 and text in done.complaints


def test_the_last_day_is_a_good_one(keys: Site, tmp_path: Path) -> None:
    """`date` is the test's own here, so that no clock decides."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "date").write_text("#!/bin/sh\necho 20260201\n")
    (tools / "date").chmod(0o755)
    script = tmp_path / "verify.sh"
    text = (build.HERE / "verify.sh").read_text()
    script.write_text(text.replace("PATH=/usr/local/bin", f"PATH={tools}:/usr/local/bin"))
    for last, code in (("2026-02-01", 0), ("2026-01-31", 4)):
        made = make(tmp_path / last, FILES, keys.key("contractor"), valid_to=last)
        assert sh(script, "-k", keys.signers("contractor"), "-s", SITE, made).code == code


class TestCustomer:
    """Whether the customer's word is demanded is said by the site's own file of keys."""

    NAMES = ("contractor", "customer")

    def test_demanded_where_a_key_of_his_is_named(self, keys: Site, bundle: Path) -> None:
        assert keys.verify(bundle, names=self.NAMES).code == 3
        assert keys.verify(bundle, "-e", names=self.NAMES).code == 0

    def test_counter_signed(self, keys: Site, bundle: Path) -> None:
        signers = keys.signers(*self.NAMES)
        arguments = ("-k", signers, "-s", SITE, "-f", keys.key("customer"), bundle)
        done = sh(build.HERE / "countersign.sh", *arguments)
        assert done.code == 0, done
        assert "signed by contractor and customer" in keys.verify(bundle, names=self.NAMES).said
        # Where the site names no key of his, his signature cannot be judged, and is not passed over.
        assert keys.verify(bundle).code == 3
        assert keys.verify(bundle, "-e").code == 3

    def test_by_another_key(self, keys: Site, bundle: Path) -> None:
        signers = keys.signers(*self.NAMES)
        done = sh(build.HERE / "countersign.sh", "-k", signers, "-s", SITE, "-f", keys.key("stranger"), bundle)
        assert done.code == 3

    def test_nothing_damaged_is_counter_signed(self, keys: Site, bundle: Path) -> None:
        (bundle / NGINX).write_bytes(b"x")
        signers = keys.signers(*self.NAMES)
        done = sh(build.HERE / "countersign.sh", "-k", signers, "-s", SITE, "-f", keys.key("customer"), bundle)
        assert done.code == 2 and not (bundle / manifest.CUSTOMER).exists()


class TestDifferential:
    """A bundle that completes another one."""

    @pytest.fixture
    def update(self, keys: Site, tmp_path: Path, bundle: Path) -> Path:
        files = {**FILES, NGINX: b"a newer package\n", "manual/new": b"new\n"}
        del files["plan/empty"]
        return make(tmp_path / "update", files, keys.key("contractor"), bundle, version=8)

    def test_holds_only_what_changed(self, update: Path, bundle: Path) -> None:
        held = {path.relative_to(update).as_posix() for path in update.rglob("*") if path.is_file()}
        assert held - manifest.UNLISTED == {"README.txt", NGINX, "manual/new"}
        found = manifest.read(update)
        assert (found["base_bundle"], found["version"]) == (f"{SITE}-7", 8)
        assert found["base_sha256"] == hashlib.sha256((bundle / "BUNDLE.json").read_bytes()).hexdigest()

    def test_good_with_its_base(self, keys: Site, update: Path, bundle: Path) -> None:
        done = keys.verify(update, "-b", bundle)
        assert done.code == 0, done
        assert done.said.endswith("files 3\n")

    def test_refused_without_its_base(self, keys: Site, update: Path, bundle: Path, tmp_path: Path) -> None:
        assert keys.verify(update).code == 6
        assert keys.verify(update, "-b", tmp_path / "nowhere").code == 6
        other = make(tmp_path / "other", FILES, keys.key("contractor"), version=6)
        assert keys.verify(update, "-b", other).code == 6
        edit(bundle, "BUNDLE.json", "a", "b")
        assert keys.verify(update, "-b", bundle).code == 6

    def test_refused_with_a_damaged_base(self, keys: Site, update: Path, bundle: Path) -> None:
        (bundle / "python/two words.whl").write_bytes(b"x")
        done = keys.verify(update, "-b", bundle)
        assert done.code == 2 and f"in {bundle}: ./python/two words.whl: FAILED" in done.complaints

    def test_what_is_not_taken_from_the_base_may_be_damaged_there(self, keys: Site, update: Path, bundle: Path) -> None:
        (bundle / NGINX).write_bytes(b"x")
        assert keys.verify(update, "-b", bundle).code == 0

    def test_list_of_the_base_edited(self, keys: Site, update: Path, bundle: Path) -> None:
        (update / manifest.BASE_SUMS).write_text("")
        assert keys.verify(update, "-b", bundle).code == 2

    def test_good_alone_where_it_holds_the_files_of_its_base(self, keys: Site, update: Path, bundle: Path) -> None:
        for line in (update / manifest.BASE_SUMS).read_text().splitlines():
            place = update / line.split("  ", 1)[1]
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(bundle / line.split("  ", 1)[1], place)
        done = keys.verify(update)
        assert done.code == 0 and done.said.endswith(f"files {len(FILES)}\n")
        (update / "extra").touch()
        assert keys.verify(update).code == 2

    def test_a_base_may_have_a_base(self, keys: Site, update: Path, bundle: Path, tmp_path: Path) -> None:
        """What an update stands for is all of its files, also those that lie in its base."""
        files = {**FILES, NGINX: b"a newer package\n", "manual/new": b"newer\n"}
        del files["plan/empty"]
        second = make(tmp_path / "second", files, keys.key("contractor"), update, version=9)
        assert len((second / manifest.BASE_SUMS).read_text().splitlines()) == len(files) - 2


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("-k", "SIGNERS", "BUNDLE"),
        ("-s", SITE, "BUNDLE"),
        ("-k", "SIGNERS", "-s", SITE),
        ("-k", "SIGNERS", "-s", SITE, "BUNDLE", "BUNDLE"),
        ("-k", "SIGNERS", "-s", SITE, "-x", "BUNDLE"),
        ("-k", "nowhere", "-s", SITE, "BUNDLE"),
        ("-k", "SIGNERS", "-s", SITE, "nowhere"),
    ],
)
def test_a_wrong_call(keys: Site, bundle: Path, arguments: tuple[str, ...]) -> None:
    known = {"SIGNERS": str(keys.signers("contractor")), "BUNDLE": str(bundle)}
    done = sh(build.HERE / "verify.sh", *(known.get(each, each) for each in arguments))
    assert done.code == 1 and "usage: " in done.complaints


def test_relative_paths_and_odd_ones(keys: Site, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(bundle.parent)
    shutil.copy(keys.signers("contractor"), "-signers")
    bundle.rename("-the bundle")
    done = sh(build.HERE / "verify.sh", "-k", "-signers", "-s", SITE, "--", "-the bundle")
    assert done.code == 0, done


def test_a_security_officer_can_read_it() -> None:
    text = (build.HERE / "verify.sh").read_text()
    assert len(text.splitlines()) <= 100
    assert max(map(len, text.splitlines())) <= 120
    assert re.search(r"\b(eval|exec|curl|wget|python|source)\b", text.replace("-exec printf", "")) is None


def test_the_manifest_says_the_same_as_the_list(bundle: Path) -> None:
    found = manifest.read(bundle)
    listed = "".join(f"{one['sha256']}  ./{one['path']}\n" for one in found["contents"])
    assert listed == (bundle / "SHA256SUMS").read_text()
    assert [one["size"] for one in found["contents"]] == [len(FILES[one["path"]]) for one in found["contents"]]
    assert json.loads((bundle / "BUNDLE.json").read_text())["id"] == f"{SITE}-7"


@pytest.mark.parametrize("name", ["a\nb", "a\\b", "a\rb"])
def test_names_that_cannot_be_listed_are_not_taken(keys: Site, tmp_path: Path, name: str) -> None:
    with pytest.raises(BoxliftError, match="cannot be listed"):
        make(tmp_path / "b", {**FILES, name: b""}, keys.key("contractor"))


def test_links_are_not_taken(keys: Site, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b/link").symlink_to("/etc/passwd")
    with pytest.raises(BoxliftError, match="neither a file nor a folder"):
        make(tmp_path / "b", FILES, keys.key("contractor"))


def test_a_site_that_no_shell_could_take(keys: Site, tmp_path: Path) -> None:
    with pytest.raises(BoxliftError, match="no bundle can be named after"):
        make(tmp_path / "b", FILES, keys.key("contractor"), site='a", "b')
