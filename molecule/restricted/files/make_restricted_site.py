# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the folder of a restricted site on the supervisor's machine, and what the customer has at the desk.

python make_restricted_site.py WORK

WORK/values.json holds {"hosts": {"OLD": "NEW"}, "main": {NAME: VALUE}, "vault": {NAME: VALUE}}. WORK/site becomes the
folder, WORK/local what only the site knows, WORK/keys the keys of all parties, and WORK/people.json the codes on paper
of those who sign.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "site" / "files"))
sys.path.insert(0, str(Path(__file__).resolve().parents[3] / ".cache" / "collections"))

import make_site
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.gate import new_code

ROOT = Path(__file__).resolve().parents[3]
SIGNERS = ("coordinator", "approver")


def folder(site: Path, values: dict[str, t.Any]) -> None:
    """The supervisor's folder, with what inventories/restricted asks for filled in."""
    shutil.copytree(ROOT / "inventories" / "restricted", site / "inventory")
    shutil.move(site / "inventory" / "plan", site / "plan")
    make_site.configure(ROOT / "docs" / "guide.md", site)
    make_site.replace(site / "inventory" / "hosts.yml", values["hosts"])
    make_site.fill(site / "inventory" / "group_vars" / "all" / "main.yml", values["main"])


def plan(site: Path, own: Path) -> dict[str, list[str]]:
    """Write the plan of the scenario with codes for those who sign from paper; the codes."""
    content = yaml.safe_load(own.read_text(encoding="utf-8"))
    codes = {}
    for person in SIGNERS:
        made = [new_code() for _gate in range(2)]
        codes[person] = [code for code, _kept in made]
        content.setdefault("people", {}).setdefault(person, {})["codes"] = [kept for _code, kept in made]
    (site / "plan" / "migration_plan.yml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return codes


def key(path: Path) -> str:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)], check=True)
    return " ".join(path.with_suffix(".pub").read_text(encoding="utf-8").split()[:2])


def main(work: Path) -> None:
    values = json.loads((work / "values.json").read_text(encoding="utf-8"))
    site, local, keys = work / "site", work / "local", work / "keys"
    for made in (site, local, keys):
        shutil.rmtree(made, ignore_errors=True)
    folder(site, values)
    (work / "people.json").write_text(json.dumps(plan(site, Path(__file__).with_name("plan.yml"))), encoding="utf-8")
    keys.mkdir(mode=0o700)
    parties = {name: key(keys / name) for name in ("contractor", "customer", "stranger")}
    for name, trusted in (("signers", ("contractor", "customer")), ("strangers", ("stranger", "stranger"))):
        lines = [f'{who} namespaces="boxlift-bundle" {parties[whose]}' for who, whose in zip(parties, trusted)]
        (keys / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    variables = local / "group_vars" / "all"
    variables.mkdir(parents=True)
    (variables / "vault.yml").write_text(json.dumps(values["vault"], ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
