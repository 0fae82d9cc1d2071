# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated portal's drive, and activities that belong to several records."""

from __future__ import annotations

import typing as t

import pytest
import requests
from lab.authority import Authority
from lab.crm.server import CrmServer

Ask = t.Callable[..., t.Any]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def server(authority: Authority) -> t.Iterator[CrmServer]:
    issued = authority.issue("127.0.0.1")
    with CrmServer(issued.certificate, issued.key) as server:
        server.crm.rules.scopes += ("disk",)
        yield server


@pytest.fixture
def session(authority: Authority) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.verify = str(authority.certificate)
    return session


@pytest.fixture
def ask(server: CrmServer, session: requests.Session) -> Ask:
    def call(method: str, **parameters: t.Any) -> t.Any:
        return session.post(server.webhook(1) + method, json=parameters, timeout=10).json()

    return call


def test_folders_are_walked_page_by_page(server: CrmServer, ask: Ask) -> None:
    drive = server.drive
    storage = drive.add_storage("Company")
    folder = drive.add_folder(storage, "Plans")
    for number in range(60):
        drive.add_file(storage, f"{number}.txt", b"x" * number, folder)
    assert [row["NAME"] for row in ask("disk.storage.getlist")["result"]] == ["Company"]
    assert [row["TYPE"] for row in ask("disk.storage.getchildren", id=storage)["result"]] == ["folder"]
    first = ask("disk.folder.getchildren", id=folder)
    assert (len(first["result"]), first["total"], first["next"]) == (50, 60, 50)
    rest = ask("disk.folder.getchildren", id=folder, start=50)
    assert "next" not in rest and rest["result"][-1]["SIZE"] == "59"


def test_files_are_read_deleted_brought_back_and_uploaded(
    server: CrmServer, ask: Ask, session: requests.Session
) -> None:
    storage = server.drive.add_storage("Company")
    folder = server.drive.add_folder(storage, "Plans")
    number = server.drive.add_file(storage, "a.txt", b"content", folder)
    file = ask("disk.file.get", id=number)["result"]
    assert session.get(file["DOWNLOAD_URL"], timeout=10).content == b"content"
    assert ask("disk.file.markdeleted", id=number)["result"]["DELETED_TYPE"] == "3"
    assert ask("disk.folder.getchildren", id=folder)["result"] == []
    assert ask("disk.file.restore", id=number)["result"]["DELETED_TYPE"] == "0"
    ask("disk.file.markdeleted", id=number)
    server.drive.empty_bin()
    assert ask("disk.file.get", id=number)["error"] == "ERROR_NOT_FOUND"
    made = ask("disk.folder.uploadfile", id=folder, data={"NAME": "b.txt"}, fileContent=["b.txt", "Yg=="])["result"]
    assert (made["NAME"], made["SIZE"]) == ("b.txt", "1")
    again = {"id": folder, "data": {"NAME": "b.txt"}, "fileContent": ["b.txt", "Yg=="]}
    assert ask("disk.folder.uploadfile", **again)["error"] == "DISK_OBJ_22000"
    assert ask("disk.folder.uploadfile", **again, generateUniqueName="Y")["result"]["NAME"] == "b (1).txt"


def test_the_drive_needs_its_scope(server: CrmServer, ask: Ask) -> None:
    server.crm.rules.scopes = ("crm",)
    assert ask("disk.storage.getlist")["error"] == "insufficient_scope"


@pytest.mark.parametrize("stays", [False, True])
def test_what_becomes_of_a_shared_activity(server: CrmServer, ask: Ask, stays: bool) -> None:
    server.crm.rules.shared_activities_stay = stays
    server.crm.add("deal", title="A")
    server.crm.add("contact", name="Anna")
    with_whom = [{"VALUE": "+79000000001", "ENTITY_TYPE_ID": 3, "ENTITY_ID": 1}]
    fields = {"OWNER_TYPE_ID": 2, "OWNER_ID": 1, "TYPE_ID": 2, "SUBJECT": "Call", "RESPONSIBLE_ID": 1}
    ask("crm.activity.add", fields={**fields, "COMMUNICATIONS": with_whom})
    ask("crm.item.delete", entityTypeId=2, id=1)
    rows = ask("crm.activity.list", filter={"ID": 1})["result"]
    assert [(row["OWNER_TYPE_ID"], row["OWNER_ID"]) for row in rows] == ([("3", "1")] if stays else [])
    if stays:
        server.crm.add("deal", title="B")
        assert ask("crm.activity.binding.add", activityId=1, entityTypeId=2, entityId=2)["result"] is True
        again = ask("crm.activity.binding.add", activityId=1, entityTypeId=2, entityId=2)
        assert again["error"] == "ACTIVITY_IS_ALREADY_BOUND"
        assert ask("crm.activity.binding.add", activityId=1, entityTypeId=2, entityId=9)["error"] == "OWNER_NOT_FOUND"
