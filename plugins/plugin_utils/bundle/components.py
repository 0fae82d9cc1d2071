# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bundle consists of that others wrote: as a list of licences, as an SBOM in CycloneDX, and as a page."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
import pathlib
import typing as t
import uuid

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.visible import visible
from ansible_collections.boxlift.portal.plugins.plugin_utils.report.page import page

PAGE = pathlib.Path(__file__).with_name("components.html.j2")
COLLECTION, WHEEL, DEB = "collection", "wheel", "deb"
TITLES = {COLLECTION: "Ansible collections", WHEEL: "Python packages of the controller", DEB: "Debian packages"}


@dataclasses.dataclass(frozen=True)
class Component:
    kind: str
    name: str
    version: str
    licence: str
    path: str  # within the bundle
    sha256: str
    release: str = ""  # of Debian
    architecture: str = ""
    wanted_by: tuple[str, ...] = ()  # roles


def licence_list(components: t.Sequence[Component]) -> str:
    """One line for each component: kind, name, version, licence, Debian release, file, sum."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["kind", "package", "version", "licence", "debian", "file", "sha256"])
    for one in components:
        writer.writerow([one.kind, one.name, one.version, one.licence, one.release, one.path, one.sha256])
    return text.getvalue()


def sbom(components: t.Sequence[Component], name: str, version: str) -> str:
    """All components in CycloneDX 1.6, the same text for the same components. Raises BoxliftError."""
    try:
        from cyclonedx.contrib.license.factories import LicenseFactory
        from cyclonedx.model import HashAlgorithm, HashType, Property
        from cyclonedx.model.bom import Bom
        from cyclonedx.model.component import Component as Listed
        from cyclonedx.model.component import ComponentType
        from cyclonedx.output.json import JsonV1Dot6
        from packageurl import PackageURL
    except ImportError as error:
        raise BoxliftError(
            "The Python package cyclonedx-python-lib is missing on the controller, and the SBOM needs it.",
            "Run: pip install cyclonedx-python-lib",
        ) from error

    def address(one: Component) -> PackageURL:
        if one.kind == WHEEL:
            return PackageURL("pypi", None, one.name.lower().replace("_", "-"), one.version)
        if one.kind == DEB:
            qualifiers = {"arch": one.architecture, "distro": f"debian-{one.release}"}
            return PackageURL("deb", "debian", one.name, one.version, qualifiers)
        namespace, short = one.name.split(".")
        return PackageURL("generic", f"ansible-collection/{namespace}", short, one.version)

    licences = LicenseFactory()
    bom = Bom()
    bom.metadata.component = Listed(
        name=name, version=version, type=ComponentType.APPLICATION, bom_ref=f"bundle:{name}"
    )
    for one in components:
        where = address(one)
        listed = Listed(
            name=one.name,
            version=one.version,
            type=ComponentType.LIBRARY,
            purl=where,
            # Some wheels differ by the version of Python alone.
            bom_ref=f"{where.to_string()}#{one.path}",
            licenses=[licences.make_from_string(one.licence)] if one.licence else [],
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=one.sha256)],
            properties=[Property(name="boxlift:file", value=one.path)]
            + [Property(name="boxlift:wanted_by", value=who) for who in one.wanted_by],
        )
        bom.components.add(listed)
    bom.register_dependency(bom.metadata.component, list(bom.components))
    written: dict[str, t.Any] = json.loads(JsonV1Dot6(bom).output_as_string())
    # When it was made is said by the manifest. Its serial number follows from what it lists.
    del written["metadata"]["timestamp"], written["serialNumber"]
    digest = hashlib.sha256(json.dumps(written, sort_keys=True).encode()).hexdigest()
    written["serialNumber"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, digest)}"
    return json.dumps(written, indent=1, sort_keys=True) + "\n"


def html(components: t.Sequence[Component], about: t.Mapping[str, t.Any]) -> str:
    """The page for people within the perimeter; it loads nothing from anywhere."""
    groups = []
    for kind, title in TITLES.items():
        for release in sorted({one.release for one in components if one.kind == kind}):
            rows = [dataclasses.asdict(one) for one in components if (one.kind, one.release) == (kind, release)]
            for row in rows:
                row["wanted_by"] = ", ".join(row["wanted_by"])
            groups.append({"title": f"{title}{f' for Debian {release}' if release else ''}", "rows": rows})
    return page(PAGE, visible({"about": dict(about), "groups": groups}), {})
