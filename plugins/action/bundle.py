# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action boxlift.portal.bundle: makes the folder that a site without internet is built from."""

from __future__ import annotations

import dataclasses
import datetime
import os
import pathlib
import typing as t

from ansible.module_utils.common.text.formatters import human_to_bytes
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.bundle import build, debian, manifest, media, wheels
from ansible_collections.boxlift.portal.plugins.plugin_utils.bundle.store import Store
from ansible_collections.boxlift.portal.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load

Data = dict[str, t.Any]
DAYS = 90


class ActionModule(ControllerAction):
    SPEC: t.ClassVar[Data] = {
        "dest": {"type": "path", "required": True},
        "site": {"type": "str"},
        "version": {"type": "int"},
        "valid_days": {"type": "int", "default": DAYS},
        "releases": {"type": "list", "elements": "str", "default": ["12", "13"]},
        "architecture": {"type": "str", "choices": list(wheels.MACHINES), "default": "amd64"},
        "sources": {"type": "list", "elements": "str", "default": []},
        "keyring": {"type": "path", "default": debian.KEYRING},
        "packages": {"type": "list", "elements": "str", "default": []},
        "debs": {"type": "dict", "default": {}},
        "inventory": {"type": "path"},
        "plan": {"type": "path"},
        "manual": {"type": "path"},
        "base": {"type": "path"},
        "key_file": {"type": "path"},
        "cache": {"type": "path", "default": "~/.cache/boxlift/bundle"},
        "refresh": {"type": "bool", "default": True},
        "pieces": {"type": "path"},
        "piece_size": {"type": "str", "default": "4G"},
    }

    def work(self, options: Data, task_vars: Data) -> Data:
        wanted = request(options, datetime.datetime.now(tz=datetime.timezone.utc), self._vault_passwords())
        store = Store(pathlib.Path(options["cache"]))
        made = build.build(wanted, store, build.Installed(), self._task.check_mode)
        told = dataclasses.asdict(made)
        told |= {"path": str(wanted.dest), "site": wanted.facts.site, "sign": "", "pieces": []}
        if not self._task.check_mode:
            if not (wanted.dest / manifest.CONTRACTOR).exists():
                told["sign"] = (
                    f"ssh-keygen -Y sign -n {manifest.NAMESPACE} -f KEY < {wanted.dest / manifest.NAME}"
                    f" > {wanted.dest / manifest.CONTRACTOR}"
                )
            if options["pieces"]:
                told["pieces"] = self._split(wanted.dest, pathlib.Path(options["pieces"]), options["piece_size"])
        return told

    def _split(self, bundle: pathlib.Path, dest: pathlib.Path, limit: str) -> list[str]:
        try:
            size = human_to_bytes(limit)
        except ValueError as error:
            raise BoxliftError(f"piece_size: {error}.", "Write it such as 700M or 4G.") from error
        return [piece.file for piece in media.split(bundle, dest.absolute(), size)]

    def _vault_passwords(self) -> list[bytes]:
        """What this run opens the vault with: no file of the bundle may hold it."""
        vault = getattr(self._loader, "_vault", None)
        return [secret.bytes for _name, secret in getattr(vault, "secrets", None) or [] if secret.bytes]


def request(options: Data, now: datetime.datetime, never: t.Sequence[bytes]) -> build.Request:
    """What the options ask for. Raises BoxliftError for what cannot be."""
    plan = load(options["plan"]) if options["plan"] else None
    site = options["site"] or (plan.site if plan else "")
    if not site:
        raise BoxliftError("Nobody says for which site the bundle is.", "Give its name as site, or a plan with one.")
    if plan and plan.site and plan.site != site:
        raise BoxliftError(f"The plan is for {plan.site}, and site is {site}.", "Name the same in both.")
    releases = [str(each) for each in options["releases"]]
    if unknown := [each for each in releases if each not in wheels.PYTHONS]:
        raise BoxliftError(f"Debian {unknown[0]} is not known here.", f"Possible are {', '.join(wheels.PYTHONS)}.")
    if options["valid_days"] < 1:
        raise BoxliftError(f"valid_days is {options['valid_days']}.", "Give the days until the bundle expires.")
    facts = manifest.Facts(
        site=site,
        version=options["version"] or int(now.strftime("%Y%m%d%H%M%S")),
        built_at=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        valid_to=(now + datetime.timedelta(days=options["valid_days"])).strftime("%Y-%m-%d"),
        plan_sha256=plan.sha256 if plan else "",
        min_engine=build.ENGINE_FROM,
        python=" ".join(wheels.PYTHONS[each][0] for each in releases),
        releases=" ".join(releases),
    )
    return build.Request(
        dest=pathlib.Path(os.path.abspath(options["dest"])),
        facts=facts,
        releases=releases,
        architecture=options["architecture"],
        sources=options["sources"],
        keyring=options["keyring"],
        packages=options["packages"],
        debs=_debs(options["debs"]),
        inventory=options["inventory"] or "",
        plan=options["plan"] or "",
        manual=options["manual"] or "",
        base=options["base"] or "",
        key_file=options["key_file"] or "",
        refresh=options["refresh"],
        never=never,
    )


def _debs(given: Data) -> dict[str, list[str]]:
    wrong = [key for key, files in given.items() if str(key) not in wheels.PYTHONS or not isinstance(files, list)]
    if wrong:
        raise BoxliftError(f"debs: {wrong[0]} is no release with a list of files.", "Write it such as {'12': [FILE]}.")
    return {str(key): [os.path.expanduser(file) for file in files] for key, files in given.items()}
