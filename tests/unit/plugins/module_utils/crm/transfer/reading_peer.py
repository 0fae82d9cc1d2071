# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client that nobody here wrote reads a portal: python reading_peer.py CLIENT WEBHOOK. What it read, as JSON."""

from __future__ import annotations

import json
import sys
import typing as t
import urllib.parse

ITEMS = {"company": 4, "contact": 3, "lead": 1, "deal": 2}
ALL = ["*", "UF_*"]


def fast_bitrix24(webhook: str) -> dict[str, t.Any]:
    import fast_bitrix24 as library

    client = library.Bitrix(webhook, verbose=False)
    found = {
        kind: client.get_all("crm.item.list", {"entityTypeId": number, "select": ALL}) for kind, number in ITEMS.items()
    }
    return {**found, "activity": client.get_all("crm.activity.list"), "user": client.get_all("user.get")}


def b24pysdk(webhook: str) -> dict[str, t.Any]:
    from b24pysdk import BitrixWebhook, Client

    parts = urllib.parse.urlsplit(webhook)
    client = Client(BitrixWebhook(domain=parts.netloc, webhook_token=parts.path.removeprefix("/rest/").strip("/")))
    found = {
        kind: list(client.crm.item.list(entity_type_id=number, select=ALL, order={"id": "ASC"}).as_list().result)
        for kind, number in ITEMS.items()
    }
    activities = list(client.crm.activity.list(order={"ID": "ASC"}).as_list().result)
    return {**found, "activity": activities, "user": list(client.user.get().as_list().result)}


if __name__ == "__main__":
    print(json.dumps({"fast_bitrix24": fast_bitrix24, "b24pysdk": b24pysdk}[sys.argv[1]](sys.argv[2])))
