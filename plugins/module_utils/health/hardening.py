# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the checks of a host's protection share: the parts that a site has switched off, containers, the firewall."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import CannotLook, DoesNotApply
from ansible_collections.boxlift.portal.plugins.module_utils.portal.files import SETTINGS

#: Where role hardening leaves its `hardening_skip`: the parts that a site has switched off, with the reasons.
SKIPPED_PARTS = "/var/lib/boxlift/hardening.json"
#: The same of role upkeep, `upkeep_skip`.
UPKEEP_SKIPPED = "/var/lib/boxlift/upkeep.json"
#: What its updates leave: a line of JSON for each.
UPDATES = "/var/lib/boxlift/updates/history.jsonl"
#: A rule names its chain by these.
_SAME = (("family", "family"), ("table", "table"), ("chain", "name"))


def need_part(context: Context, part: str, note: str = SKIPPED_PARTS) -> None:
    """Raises DoesNotApply, with the site's reason, if the role with this note was told to leave this part out."""
    text = context.host_text(note)
    try:
        parts = json.loads(text or "{}")
        reason = parts.get(part)
    except (ValueError, AttributeError) as problem:
        raise CannotLook(f"{note} holds no object of JSON") from problem
    if reason is not None:
        role = "upkeep" if note == UPKEEP_SKIPPED else "hardening"
        raise DoesNotApply(f"switched off by {role}_skip: {reason}")


def container(context: Context) -> str:
    """The kind of container that this host is, such as docker; empty if it is none, or has no systemd to ask."""

    def ask() -> str:
        try:
            return (context.installed("systemd-detect-virt", "--container") or "").strip()
        except BoxliftError:  # it says `none` with status 1
            return ""

    return context.once("container", ask)


def portal_account(context: Context) -> str:
    """Name of the account that owns the portal's settings. Raises CannotLook if it has none on this host."""
    owner = context.files.find(SETTINGS)
    if owner is None:
        raise CannotLook(f"there is no {SETTINGS}")
    try:
        return owner.owner()
    except KeyError as problem:
        raise CannotLook(f"{owner} belongs to number {owner.stat().st_uid}, an account that is not here") from problem


def open_families(ruleset: str) -> list[str]:
    """The families (of `ip` and `ip6`) that no chain of `nft --json list ruleset` closes.

    A chain closes if it is asked for what comes in, and drops what it does not know: by its policy or its last rule.
    Raises CannotLook for another text.
    """
    try:
        items: list[dict[str, t.Any]] = json.loads(ruleset)["nftables"]
        chains = [item["chain"] for item in items if "chain" in item]
        rules = [item["rule"] for item in items if "rule" in item]
        closing = {chain["family"] for chain in chains if chain.get("hook") == "input" and _closes(chain, rules)}
    except (ValueError, KeyError, TypeError) as problem:
        raise CannotLook("nft printed no rule set") from problem
    return [] if "inet" in closing else [family for family in ("ip", "ip6") if family not in closing]


def _closes(chain: dict[str, t.Any], rules: list[dict[str, t.Any]]) -> bool:
    own = [rule for rule in rules if all(rule[key] == chain[key2] for key, key2 in _SAME)]
    last = own[-1]["expr"] if own else []
    ends = bool(last) and not any("match" in each for each in last) and bool({"drop", "reject"} & set(last[-1]))
    return chain.get("policy") == "drop" or ends
