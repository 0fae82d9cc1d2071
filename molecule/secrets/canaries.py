# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A canary for every secret option of every module and role, made from their own specifications.

python canaries.py FOLDER    writes modules.yml (a task for each module), roles.yml (variables) and canaries.json
"""

from __future__ import annotations

import importlib
import json
import sys
import typing as t
from pathlib import Path
from unittest import mock

import yaml

ROOT = Path(__file__).resolve().parents[2]
MODULES = "ansible_collections.boxlift.portal.plugins.modules"
# A path under which nothing can be: work that could take long is refused there at once.
NOWHERE = "/dev/null/nowhere"
# What an address may carry is as secret as a password, whatever else the option may hold.
ADDRESSES = ("source", "source_url", "url", "mirrors", "base_url")
# Without these a module would refuse its arguments before it has looked at them.
NEEDED: dict[str, dict[str, t.Any]] = {
    "host_files": {"files": [{"path": f"{NOWHERE}/file", "content": "CANARY", "confidential": True}]},
    "portal_settings": {"constants": {"API_TOKEN": "CANARY"}, "variables": {"DBPassword": "CANARY"}},
}
# Actions alone: nothing of them comes to a host.
ON_THE_CONTROLLER = ("progress_info", "report")
# What several roles must be given alike.
ALIKE = {"portal_database_password": "database_password"}


class Canaries:
    """Every canary that was let out, by its text: where it was."""

    def __init__(self) -> None:
        self.made: dict[str, str] = {}

    def new(self, where: str) -> str:
        canary = f"Canary{len(self.made):03d}x{'0123456789abcdef' * 2}"
        self.made[canary] = where
        return canary

    def address(self, where: str) -> str:
        return (
            f"https://somebody:{self.new(f'{where}, password')}@127.0.0.1:4443/b.tar.gz"
            f"?signature={self.new(f'{where}, query')}"
        )


class Specified(BaseException):
    """Carries a module's specification out of its main(); no `except Exception` may stop it."""


def specification(module: str) -> dict[str, t.Any]:
    """What the module gives AnsibleModule as its argument_spec."""

    def given(_self: t.Any, argument_spec: dict[str, t.Any], **_more: t.Any) -> None:
        raise Specified(argument_spec)

    with mock.patch("ansible.module_utils.basic.AnsibleModule.__init__", given):
        try:
            importlib.import_module(f"{MODULES}.{module}").main()
        except Specified as specified:
            return dict(specified.args[0])
    raise SystemExit(f"{module} has no specification.")


def arguments(options: dict[str, t.Any], where: str, canaries: Canaries) -> dict[str, t.Any]:
    """Arguments with a canary in every secret place, and something harmless where the module demands it."""
    values: dict[str, t.Any] = {}
    for name, option in options.items():
        place, kind = f"{where} {name}", option.get("type", "str")
        listed = kind == "list"
        if "options" in option:
            if "no_log" in str(option["options"]) or option.get("required"):
                inner = arguments(option["options"], place, canaries)
                values[name] = [inner] if listed else inner
        elif name in ADDRESSES:
            values[name] = [canaries.address(place)] if listed else canaries.address(place)
        elif option.get("no_log") and kind != "bool":
            secret = canaries.new(place)
            values[name] = {"a_password": secret} if kind == "dict" else [secret] if listed else secret
        elif option.get("required"):
            harmless = {"int": 1, "float": 1.0, "dict": {}, "list": ["x"], "path": NOWHERE}
            values[name] = option["choices"][0] if "choices" in option else harmless.get(kind, "x")
    return values


def put(given: t.Any, where: str, canaries: Canaries) -> t.Any:
    """The same with a canary wherever it says CANARY."""
    if isinstance(given, dict):
        return {name: put(value, f"{where} {name}", canaries) for name, value in given.items()}
    if isinstance(given, list):
        return [put(value, where, canaries) for value in given]
    return canaries.new(where) if given == "CANARY" else given


def task(module: str, canaries: Canaries) -> dict[str, t.Any]:
    """One that is allowed to fail: what it leaves behind is looked at."""
    given = arguments(specification(module), module, canaries) | put(NEEDED.get(module, {}), module, canaries)
    run = {"name": f"Run {module}", f"boxlift.portal.{module}": given}
    rescue = {"name": f"{module} refused", "ansible.builtin.debug": {"msg": f"{module} has refused, as it should."}}
    return {"name": f"Give {module} its secrets", "block": [run], "rescue": [rescue]}


def role_variables(canaries: Canaries) -> dict[str, t.Any]:
    """For every secret option of every role."""
    values: dict[str, t.Any] = {}
    for path in sorted((ROOT / "roles").glob("*/meta/argument_specs.yml")):
        for entry in yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"].values():
            for name, option in (entry.get("options") or {}).items():
                if option.get("no_log") and name not in values and option["type"] in ("str", "dict"):
                    if name.endswith("_database"):
                        continue  # a login with a password of its own, which is one of the others
                    secret = values.get(ALIKE.get(name, "")) or canaries.new(name)
                    values[name] = {"X-Token": secret} if option["type"] == "dict" else secret
    return values


def has_main(module: str) -> bool:
    return "\ndef main(" in (ROOT / "plugins" / "modules" / f"{module}.py").read_text(encoding="utf-8")


def main(folder: Path) -> None:
    canaries = Canaries()
    names = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))
    # What has no main() is the documentation of an action: nothing of it comes to a host either.
    tasks = [task(name, canaries) for name in names if name not in ON_THE_CONTROLLER and has_main(name)]
    texts = {
        "modules.yml": yaml.safe_dump(tasks, sort_keys=False, width=1000),
        "roles.yml": yaml.safe_dump(role_variables(canaries)),
        "canaries.json": json.dumps(canaries.made, indent=1),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
