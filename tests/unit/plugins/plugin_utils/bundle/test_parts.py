# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Licences, the list of components, collections, wheels and the store, each by itself."""

from __future__ import annotations

import csv
import hashlib
import importlib.metadata
import io
import json
import tarfile
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.bundle import components, galaxy, licences, wheels
from ansible_collections.boxlift.portal.plugins.plugin_utils.bundle.components import Component
from ansible_collections.boxlift.portal.plugins.plugin_utils.bundle.store import Store
from unit.plugins.plugin_utils.bundle import tiny


class TestLicences:
    def test_of_a_copyright_file_with_fields(self) -> None:
        text = "Format: x\nFiles: *\nLicense: GPL-2+\nFiles: a\nLicense: MIT or Apache-2.0\nLicense: GPL-2+\n text\n"
        assert licences.of_text(text) == ["GPL-2+", "MIT or Apache-2.0"]

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("It is on Debian in /usr/share/common-licenses/GPL-3.\n", ["GPL-3"]),
            ("Permission is hereby granted, free\nof charge, to any person", ["MIT"]),
            ("Redistribution and use in source and\n binary forms", ["BSD"]),
            ("no word of it", []),
        ],
    )
    def test_of_a_text(self, text: str, expected: list[str]) -> None:
        assert licences.of_text(text) == expected

    def test_of_a_package(self, tmp_path: Path) -> None:
        assert licences.of_deb(tiny.deb(tmp_path, "a", licence="BSD-3-clause")) == {"licences": ["BSD-3-clause"]}
        assert licences.of_deb(tiny.deb(tmp_path, "b", licence="->a")) == {"licences": [], "same_as": "a"}

    def test_of_a_wheel(self, tmp_path: Path) -> None:
        classifiers = ["License :: OSI Approved :: MIT License", "Topic :: Software"]
        for number, (headers, expected) in enumerate(
            (
                ({"License_Expression": ["MIT OR Apache-2.0"], "Classifier": classifiers}, "MIT OR Apache-2.0"),
                ({"Classifier": classifiers, "License": ["x"]}, "MIT License"),
                ({"License": ["  BSD  "]}, "BSD"),
                ({}, licences.UNKNOWN),
            )
        ):
            assert licences.of_wheel(tiny.wheel(tmp_path, f"p{number}", **headers)) == expected


LISTED = [
    Component("collection", "some.thing", "1.0", "MIT", "collections/a.tar.gz", "ab" * 32),
    Component("wheel", "Some_Thing", "2.0", "MIT OR Apache-2.0", "python/a-cp311.whl", "cd" * 32),
    Component("wheel", "Some_Thing", "2.0", "MIT OR Apache-2.0", "python/a-cp313.whl", "ce" * 32),
    Component("deb", "libx", "1:2.0+b1", "<b>own</b>", "debian/12/x.deb", "ef" * 32, "12", "amd64", ("web", "host")),
]


class TestComponents:
    def test_the_sbom_names_each_with_version_licence_and_sum(self) -> None:
        found = json.loads(components.sbom(LISTED, "portal.example.com", "1"))
        assert (found["bomFormat"], found["specVersion"], "timestamp" in found["metadata"]) == (
            "CycloneDX",
            "1.6",
            False,
        )
        by_ref = {one["bom-ref"]: one for one in found["components"]}
        assert len(by_ref) == 4
        deb = by_ref["pkg:deb/debian/libx@1:2.0%2Bb1?arch=amd64&distro=debian-12#debian/12/x.deb"]
        assert deb["hashes"] == [{"alg": "SHA-256", "content": "ef" * 32}]
        assert {"name": "boxlift:wanted_by", "value": "web"} in deb["properties"]
        assert by_ref["pkg:pypi/some-thing@2.0#python/a-cp311.whl"]["licenses"] == [{"expression": "MIT OR Apache-2.0"}]

    def test_the_same_components_give_the_same_sbom(self) -> None:
        one, other = components.sbom(LISTED, "a", "1"), components.sbom(LISTED[::-1], "a", "1")
        assert one == other != components.sbom(LISTED[1:], "a", "1")

    def test_the_list(self) -> None:
        rows = list(csv.DictReader(io.StringIO(components.licence_list(LISTED))))
        assert rows[3] == {
            "kind": "deb",
            "package": "libx",
            "version": "1:2.0+b1",
            "licence": "<b>own</b>",
            "debian": "12",
            "file": "debian/12/x.deb",
            "sha256": "ef" * 32,
        }

    def test_the_page_loads_nothing_and_escapes_everything(self) -> None:
        text = components.html(
            LISTED, {"site": "portal.example.com", "absent": [{"release": "12", "name": "asterisk"}]}
        )
        assert "&lt;b&gt;own&lt;/b&gt;" in text and "Debian 12 has no asterisk." in text and "web, host" in text
        assert "http://" not in text and "https://" not in text and "src=" not in text


class TestStore:
    def test_only_what_was_announced_is_kept(self, tmp_path: Path) -> None:
        store, found = Store(tmp_path / "cache"), tmp_path / "found"
        found.write_bytes(b"other")
        with pytest.raises(BoxliftError, match="was announced"):
            store.keep(found, hashlib.sha256(b"x").hexdigest())
        assert store.fetched == 0

    def test_what_was_damaged_since_is_not_given_out(self, tmp_path: Path) -> None:
        store, sha256 = Store(tmp_path / "cache"), hashlib.sha256(b"x").hexdigest()
        (tmp_path / "found").write_bytes(b"x")
        store.keep(tmp_path / "found", sha256)
        assert store.take(sha256, tmp_path / "a/b") and (tmp_path / "a/b").read_bytes() == b"x"
        store.path(sha256).write_bytes(b"y")
        assert not store.take(sha256, tmp_path / "a/c")
        assert not (tmp_path / "a/c").exists() and not store.has(sha256)

    def test_an_answer_is_asked_for_once(self, tmp_path: Path) -> None:
        store, asked = Store(tmp_path), []
        for again in (False, False, True):
            assert store.answer("kind", ["q"], lambda: asked.append(1) or len(asked), again) == len(asked)
        assert len(asked) == 2
        assert store.answer("kind", ["other"], lambda: "x", False) == "x"


class TestCollections:
    @pytest.fixture
    def installed(self, tmp_path: Path) -> Path:
        files = {"README.md": b"r", "plugins/modules/a.py": b"a", "tests/left_out.py": b"t"}
        entries = [
            {"name": ".", "ftype": "dir"},
            {"name": "plugins", "ftype": "dir"},
            {"name": "tests", "ftype": "dir"},
        ]
        entries.append({"name": "plugins/modules", "ftype": "dir"})
        for name, content in files.items():
            entries.append({"name": name, "ftype": "file", "chksum_sha256": hashlib.sha256(content).hexdigest()})
            if not name.startswith("tests"):
                (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / name).write_bytes(content)
        about = {
            "namespace": "some",
            "name": "thing",
            "version": "1.2.3",
            "license": ["MIT"],
            "dependencies": {"a.b": "*"},
        }
        manifest = {"collection_info": about, "file_manifest_file": {"name": "FILES.json", "chksum_sha256": "0"}}
        (tmp_path / "MANIFEST.json").write_text(json.dumps(manifest))
        (tmp_path / "FILES.json").write_text(json.dumps({"files": entries, "format": 1}))
        return tmp_path

    def test_what_its_package_left_out_is_not_listed(self, installed: Path) -> None:
        found = galaxy.packed(installed)
        assert (found.name, found.file, found.licence) == ("some.thing", "some-thing-1.2.3.tar.gz", "MIT")
        assert found.dependencies == ["a.b"]
        with tarfile.open(fileobj=io.BytesIO(found.tarball)) as archive:
            names = archive.getnames()
            listed = archive.extractfile("FILES.json").read()  # type: ignore[union-attr]
            manifest = json.loads(archive.extractfile("MANIFEST.json").read())  # type: ignore[union-attr]
        assert sorted(names) == [
            "FILES.json",
            "MANIFEST.json",
            "README.md",
            "plugins",
            "plugins/modules",
            "plugins/modules/a.py",
        ]
        assert manifest["file_manifest_file"]["chksum_sha256"] == hashlib.sha256(listed).hexdigest()
        assert {entry["name"] for entry in json.loads(listed)["files"]} == {*names, "."} - {
            "FILES.json",
            "MANIFEST.json",
        }

    def test_the_same_files_give_the_same_bytes(self, installed: Path) -> None:
        before = galaxy.packed(installed).tarball
        (installed / "README.md").touch()
        assert galaxy.packed(installed).tarball == before

    def test_a_changed_file_is_refused(self, installed: Path) -> None:
        (installed / "plugins/modules/a.py").write_bytes(b"b")
        with pytest.raises(BoxliftError, match=r"a\.py was changed after its collection was installed"):
            galaxy.packed(installed)

    def test_what_is_not_installed(self) -> None:
        with pytest.raises(BoxliftError, match="The collection nobody.nothing is not installed here"):
            galaxy.folder_of("nobody.nothing")


class TestWheels:
    @pytest.fixture
    def index(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A folder in place of an index."""
        folder = tmp_path / "index"
        folder.mkdir()
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
        monkeypatch.setenv("PIP_CONSTRAINT", "")
        return folder

    def test_for_the_python_of_the_release(self, index: Path, tmp_path: Path) -> None:
        """Its own build of a package, and what only that Python needs."""
        needs = [
            "oldonly; python_version < '3.12'",
            "newonly; python_version >= '3.12'",
            "winonly; sys_platform == 'win32'",
        ]
        tiny.wheel(index, "top", Requires_Dist=needs)
        for name in ("oldonly", "newonly"):
            tiny.wheel(index, name)
        for tag in ("cp311-cp311", "cp313-cp313"):
            tiny.wheel(index, "built", tag=f"{tag}-manylinux_2_17_x86_64")
        for release, other, tag in (("12", "oldonly", "cp311"), ("13", "newonly", "cp313")):
            store = Store(tmp_path / "cache")
            pip = wheels.Pip(store, release, "amd64")
            found = pip.resolve(["top", "built"], again=True)
            names = [one.name for one in found]
            # What the other Python needs may be there as well: pip reads conditions with the Python that it runs in.
            assert {"top", "built", other} <= set(names) and "winonly" not in names
            assert [one.file for one in found if one.name == "built"] == [
                f"built-1.0-{tag}-{tag}-manylinux_2_17_x86_64.whl"
            ]
            pip.fetch(found)
            pip.write(tmp_path / "made", found)
            lines = (tmp_path / f"made/requirements-{pip.python}.txt").read_text().splitlines()
            assert lines == [f"{one.name}==1.0 --hash=sha256:{one.sha256}" for one in found]
            again = Store(tmp_path / "cache")
            pip = wheels.Pip(again, release, "amd64")
            pip.fetch(pip.resolve(["top", "built"], again=False))
            assert again.fetched == 0

    def test_no_wheel_for_it(self, index: Path, tmp_path: Path) -> None:
        tiny.wheel(index, "built", tag="cp311-cp311-manylinux_2_17_aarch64")
        with pytest.raises(BoxliftError, match="pip failed: ERROR: .*built"):
            wheels.Pip(Store(tmp_path), "12", "amd64").resolve(["built"], again=True)

    def test_an_unknown_processor(self, tmp_path: Path) -> None:
        with pytest.raises(BoxliftError, match="No wheels are known for mips"):
            wheels.Pip(Store(tmp_path), "12", "mips")

    def test_what_runs_here_is_what_goes_in(self) -> None:
        pinned = wheels.pinned(["jsonschema>=4.0", "not-installed-here>=3"])
        assert f"jsonschema=={importlib.metadata.version('jsonschema')}" in pinned and "not-installed-here>=3" in pinned
        assert any(one.startswith("attrs==") for one in pinned)
