# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""This collection's CRM client at work, in a process of its own: what it has done is printed as JSON.

python crm_client.py WEBHOOK AUTHORITY read|read_items|add|import|batch_import AMOUNT

The counterpart of lab.crm.peers. It imports nothing that a user of the client would not import, since its memory is
measured.
"""

from __future__ import annotations

import json
import sys
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.crm.rest import Answer, Command, Rest

IMPORTS = 20  # records of one crm.item.batchImport


def read(rest: Rest) -> t.Iterator[t.Any]:
    return (row["ID"] for row in rest.rows("crm.lead.list", {"select": ["*", "UF_*"]}))


def read_items(rest: Rest) -> t.Iterator[t.Any]:
    return (row["id"] for row in rest.rows("crm.item.list", {"entityTypeId": 1, "select": ["*"]}))


def write(rest: Rest, task: str, amount: int) -> t.Iterator[t.Any]:
    """The numbers of the leads that were certainly written."""
    records = [{"title": f"Lead {number}"} for number in range(amount)]
    if task == "add":
        commands = [Command("crm.lead.add", {"fields": {"TITLE": record["title"]}}) for record in records]
    elif task == "import":
        commands = [Command("crm.item.import", {"entityTypeId": 1, "fields": record}) for record in records]
    else:
        parts = (records[first : first + IMPORTS] for first in range(0, amount, IMPORTS))
        commands = [Command("crm.item.batchImport", {"entityTypeId": 1, "data": part}) for part in parts]
    for outcome in rest.batch(commands, repeat=False):
        if not isinstance(outcome, Answer):
            continue  # nobody knows whether it was written
        result = outcome.result
        items = result.get("items", [result]) if isinstance(result, dict) else [{"item": {"id": result}}]
        yield from (item["item"]["id"] for item in items)


def main() -> None:
    webhook, authority, task, amount = sys.argv[1:5]
    done: dict[str, t.Any] = {"ids": "", "error": ""}
    rest = Rest(webhook, ca_file=authority, proxy="")
    begun = time.monotonic()
    found = (
        read(rest) if task == "read" else read_items(rest) if task == "read_items" else write(rest, task, int(amount))
    )
    # As text: a list of numbers would be more memory than the client itself takes.
    done["ids"] = ",".join(map(str, found))
    done["seconds"] = time.monotonic() - begun
    done |= {"requests": rest.requests, "refused": rest.refused, "waited": rest.waited}
    with open("/proc/self/status", encoding="ascii") as status:
        done["peak_megabytes"] = int(status.read().partition("VmHWM:")[2].split()[0]) / 1024
    print(json.dumps(done))


if __name__ == "__main__":
    main()
