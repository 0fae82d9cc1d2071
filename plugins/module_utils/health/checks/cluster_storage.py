# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage that three hosts keep for the web hosts: each of them there, and room on it (roles gluster and storage)."""

from __future__ import annotations

import json

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.gluster import Brick, Gluster
from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context, some
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    CannotLook,
    DoesNotApply,
    Verdict,
    failed,
    passed,
    warned,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import check

#: Written by role storage where three hosts keep the share.
PATH = "/etc/boxlift/storage.json"
WARN, FAIL = 0.15, 0.05


def _bricks(context: Context) -> dict[str, Brick | None]:
    """What each storage host keeps; None for one that is away. Raises CannotLook where none can be asked."""
    text = context.host_text(PATH)
    if not text:
        raise DoesNotApply("no hosts of this site keep the share")
    try:
        asked = json.loads(text)
        volume, addresses = str(asked["volume"]), {str(host): str(address) for host, address in asked["hosts"].items()}
    except (ValueError, LookupError, TypeError, AttributeError) as problem:
        raise CannotLook(f"{PATH} does not say which storage hosts there are") from problem

    def ask() -> dict[str, Brick | None]:
        refused = ""
        for address in addresses.values():
            try:
                told = Gluster(lambda words: (0, context.command(*words), ""), host=address).bricks(volume)
            except BoxliftError as problem:
                refused = problem.message
                continue
            online = {brick.host: brick for brick in told if brick.online}
            return {host: online.get(each) for host, each in addresses.items()}
        raise CannotLook(f"no storage host answers: {refused}")

    return context.once("storage hosts", ask)


@check(
    "cluster.storage",
    why="Two of three storage hosts are enough to read and write. While one is away, the next one that goes stops every"
    " upload.",
    expected="all three storage hosts have their part of the volume",
    remedy="Start the host, or glusterd.service there. It gets what was written meanwhile by itself; the playbook"
    " provision waits for that.",
    blocks="nobody",
)
def cluster_storage(context: Context) -> Verdict:
    bricks = _bricks(context)
    away = [host for host, brick in bricks.items() if brick is None]
    if away:
        return failed(f"away: {some(away)}; {len(bricks) - len(away)} of {len(bricks)} are there")
    return passed(f"{', '.join(bricks)} are there")


@check(
    "cluster.storage_room",
    why="Uploads are refused when the first storage host is full, whatever room the others have.",
    expected=f"at least {WARN:.0%} free on every storage host",
    remedy="Enlarge the file system of gluster_path on that host, or remove what else lies there.",
    blocks="some",
)
def cluster_storage_room(context: Context) -> Verdict:
    free = {
        host: brick.free / brick.size
        for host, brick in _bricks(context).items()
        if brick is not None and brick.size and brick.free is not None
    }
    if not free:
        raise CannotLook("no storage host says how much room it has")
    host, least = min(free.items(), key=lambda each: each[1])
    text = f"{least:.0%} free on {host}, which has the least"
    return failed(text) if least < FAIL else warned(text) if least < WARN else passed(text)
