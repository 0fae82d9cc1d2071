# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clients that others use, against a portal: what they read and write is printed as JSON.

python -m lab.crm.peers fast_bitrix24|b24pysdk WEBHOOK AUTHORITY read|read_items|read_by_number|add [AMOUNT]

`read` is crm.lead.list, `read_items` is crm.item.list, `read_by_number` (b24pysdk alone) walks by ID; `add` adds so
many leads. The certificate of the portal's authority is trusted in the way each client takes it: by the environment.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import typing as t
import urllib.parse
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2]
EVERY_FIELD = ["*", "UF_*"]
Json = dict[str, t.Any]


def run(client: str, webhook: str, authority: Path, task: str, amount: int = 0, *, seconds: float = 60) -> Json:
    """What such a client did, in a process of its own: ids, seconds, peak_megabytes, error."""
    command = [sys.executable, "-m", "lab.crm.peers", client, webhook, str(authority), task, str(amount)]
    environment = {**os.environ, "PYTHONPATH": str(TESTS), "SSL_CERT_FILE": str(authority)}
    environment |= {"REQUESTS_CA_BUNDLE": str(authority), "NO_PROXY": "127.0.0.1", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=seconds, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def fast_bitrix24(webhook: str, task: str, amount: int) -> list[t.Any]:
    import fast_bitrix24

    client = fast_bitrix24.Bitrix(webhook, verbose=False)
    if task == "read":
        return [row["ID"] for row in client.get_all("crm.lead.list", {"select": EVERY_FIELD})]
    if task == "read_items":
        return [row["id"] for row in client.get_all("crm.item.list", {"entityTypeId": 1, "select": ["*"]})]
    if task == "add":
        return list(client.call("crm.lead.add", [{"fields": {"TITLE": f"Lead {n}"}} for n in range(amount)]))
    raise ValueError(f"fast_bitrix24 has no task {task!r}")


def b24pysdk(webhook: str, task: str, amount: int) -> list[t.Any]:
    from b24pysdk import BitrixWebhook, Client

    parts = urllib.parse.urlsplit(webhook)
    client = Client(BitrixWebhook(domain=parts.netloc, webhook_token=parts.path.removeprefix("/rest/").strip("/")))
    if task == "read":
        return [row["ID"] for row in client.crm.lead.list(select=EVERY_FIELD, order={"ID": "ASC"}).as_list().result]
    if task == "read_items":
        listed = client.crm.item.list(entity_type_id=1, select=["*"], order={"id": "ASC"})
        return [row["id"] for row in listed.as_list().result]
    if task == "read_by_number":
        return [row["ID"] for row in client.crm.lead.list(select=EVERY_FIELD).as_list_fast().result]
    if task == "add":
        calls = [client.crm.lead.add(fields={"TITLE": f"Lead {n}"}) for n in range(amount)]
        return list(client.call_batches(calls).result.result.values())
    raise ValueError(f"b24pysdk has no task {task!r}")


def main() -> None:
    client, webhook, _authority, task, amount = sys.argv[1:6]
    done: Json = {"ids": [], "error": ""}
    begun = time.monotonic()
    try:
        done["ids"] = {"fast_bitrix24": fast_bitrix24, "b24pysdk": b24pysdk}[client](webhook, task, int(amount))
    except Exception as error:  # a bench wants to know in which way a client ended
        done["error"] = f"{type(error).__name__}: {error}"
    done["seconds"] = time.monotonic() - begun
    status = Path("/proc/self/status").read_text(encoding="ascii")
    done["peak_megabytes"] = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    print(json.dumps(done, default=str))


if __name__ == "__main__":
    main()
