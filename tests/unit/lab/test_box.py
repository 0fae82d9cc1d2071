# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The CRM on a portal's MariaDB tables and the one in SQLite: the same records, the same answers, and SQL agrees."""

from __future__ import annotations

import json
import pathlib
import socket
import typing as t

import pymysql
import pytest
from lab.box import from_backup
from lab.box.cloud import CloudService, open_store
from lab.box.mariadb import CONVERSIONS, MariaDBStore
from lab.box.portal import BoxService, Site
from lab.crm.fields import Zone
from lab.crm.portal import Rules
from lab.crm.server import CrmService
from lab.crm.store import All, SqliteStore, Storage
from lab.rest.answers import Asked, Credential, Refused, Row, encode
from lab.rest.server import PortalServer
from lab.rest.service import CODE

from .conftest import Backup, Browser, Portal

KINDS = (*from_backup.KINDS, "smart:128", "field", "category")
NOW = 1_780_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        self.now += 1
        return self.now


class Two:
    """Both portals; whatever is asked, both must answer the same."""

    def __init__(self, box: Storage, cloud: Storage) -> None:
        self.stores = (box, cloud)
        self.services = tuple(CrmService(store, Rules(), Clock()) for store in self.stores)

    def __call__(self, method: str, **parameters: t.Any) -> t.Any:
        box, cloud = (self._ask(service, method, parameters) for service in self.services)
        assert box == cloud, method
        return box

    @staticmethod
    def _ask(service: CrmService, method: str, parameters: Row) -> t.Any:
        asked = Asked(Credential(1), json.loads(json.dumps(parameters)), base_url="https://portal.test")
        try:
            answer = service.call(method, asked)
        except Refused as refused:
            return refused.content
        return json.loads(encode({"result": answer.result, "total": answer.total, "next": answer.next}))


@pytest.fixture
def tables(database: str, mariadb: t.Any) -> str:
    """A database with the backup's tables; what a test writes is not there for the next one."""
    name: str = mariadb.fresh_database("crm_box")
    with mariadb.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW FULL TABLES WHERE Table_type='BASE TABLE'")
        for table, _type in cursor.fetchall():
            if table.startswith(("b_crm", "b_ut", "b_user", "b_rest_ap", "b_option")):
                cursor.execute(f"CREATE TABLE {name}.{table} LIKE {table}")
                cursor.execute(f"INSERT INTO {name}.{table} SELECT * FROM {table}")
        connection.commit()
    return name


@pytest.fixture
def box(tables: str, mariadb: t.Any) -> t.Iterator[MariaDBStore]:
    path = mariadb.login.unix_socket

    def connect() -> pymysql.connections.Connection[t.Any]:
        return pymysql.connect(
            unix_socket=path, user="root", database=tables, charset="utf8mb4", conv=t.cast(t.Any, CONVERSIONS)
        )

    store = MariaDBStore(connect, Zone("+03:00"))
    yield store
    store.close()


@pytest.fixture
def two(box: MariaDBStore, backup: Backup) -> Two:
    cloud = SqliteStore()
    from_backup.fill(cloud, backup.world, Zone("+03:00"))
    return Two(box, cloud)


def test_the_same_records(two: Two) -> None:
    for kind in KINDS:
        box, cloud = (store.load(kind, store.find(kind, All(()))) for store in two.stores)
        assert len(box) > 0 and box == cloud, kind


def test_lists_and_filters(two: Two) -> None:
    for entity_type in (1, 2, 3, 4, 128):
        for start in (0, 50, -1):
            answer = two("crm.item.list", entityTypeId=entity_type, select=["*"], order={"id": "ASC"}, start=start)
            assert len(answer["result"]["items"]) > 0 or start == 50
        for order in ({"createdTime": "DESC"}, {"id": "DESC"}, {"assignedById": "ASC", "id": "DESC"}):
            two("crm.item.list", entityTypeId=entity_type, order=order, select=["id"])
    counts = {}
    for name, asked in {
        "later": {">id": 250},
        "window": {">=id": 10, "<id": 20},
        "changed": {">=updatedTime": "2025-06-01T00:00:00+03:00"},
        "changed elsewhere": {">=updatedTime": "2025-06-01T02:00:00+05:00"},
        "several": {"@id": [1, 3, 5, 100000]},
        "not several": {"!@stageId": ["NEW", "JUNK"]},
        "one of": {"stageId": "NEW"},
        "other than": {"!stageId": "NEW"},
        "part of a text": {"%title": "Договор"},
        "without": {"contactId": None},
        "of a contact": {"contactId": 3},
        "sum": {">opportunity": 4_500_000.5},
        "user field": {"UF_CRM_INTEREST": 71},
        "user field of several": {"UF_CRM_OBJECTS": "ипотека"},
        "without user field": {"UF_CRM_INTEREST": None},
        "user date": {"<=UF_CRM_VISIT": "2026-03-01T00:00:00+03:00"},
        "either": {"logic": "OR", "0": {"id": 7}, "1": {"stageId": "CONVERTED"}},
        "source": {"sourceId": ["WEB", "CALL"]},
    }.items():
        answer = two("crm.item.list", entityTypeId=1, useOriginalUfNames="Y", filter=asked, select=["id"])
        assert "total" in answer, (name, answer)
        counts[name] = answer["total"]
    assert all(0 < count < 300 for count in counts.values()), counts
    assert counts["changed"] == counts["changed elsewhere"]
    assert two("crm.item.list", entityTypeId=1, filter={"unknown": 1})["error"]


def test_what_is_written(two: Two, box: MariaDBStore) -> None:
    """Import, add, update and delete; then SQL says the same."""
    fields: Row = {"title": "Заявка 'с сайта'", "createdTime": "2026-04-14T10:00:00+03:00", "createdBy": 5}
    fields |= {"updatedTime": "2026-04-15T11:12:13+03:00", "updatedBy": 6, "movedTime": "2026-04-14T12:00:00+03:00"}
    fields |= {
        "movedBy": 7,
        "stageId": "PROCESSED",
        "originatorId": "boxlift:cloud",
        "originId": "77",
        "opportunity": 12.5,
    }
    fields |= {"PHONE": [{"VALUE": "+74950000001", "VALUE_TYPE": "WORK"}], "contactId": 3, "UF_CRM_INTEREST": 72}
    fields |= {"UF_CRM_OBJECTS": ["фасад", "ипотека"], "UF_CRM_VISIT": "2026-04-20T15:00:00+03:00", "utmSource": "ya"}
    asked = {"entityTypeId": 1, "useOriginalUfNames": "Y"}
    number = two("crm.item.import", fields=fields, **asked)["result"]["item"]["id"]
    assert number == 301
    before = two("crm.item.get", id=number, **asked)["result"]["item"]
    assert (before["createdTime"], before["movedBy"]) == ("2026-04-14T10:00:00+03:00", 7)
    assert (before["UF_CRM_OBJECTS"], before["utmSource"]) == (["фасад", "ипотека"], "ya")
    row = box.dicts("SELECT * FROM b_crm_lead WHERE ID=%s", [number])[0]
    assert (row["DATE_CREATE"], row["DATE_MODIFY"]) == ("2026-04-14 10:00:00", "2026-04-15 11:12:13")
    assert (row["MOVED_TIME"], row["MODIFY_BY_ID"]) == ("2026-04-14 12:00:00", 6)
    assert (row["ORIGINATOR_ID"], row["ORIGIN_ID"], row["OPPORTUNITY"]) == ("boxlift:cloud", "77", "12.50")
    assert (row["STATUS_ID"], row["HAS_PHONE"], row["HAS_EMAIL"]) == ("PROCESSED", "Y", "N")
    phones = box.rows("SELECT VALUE FROM b_crm_field_multi WHERE ENTITY_ID='LEAD' AND ELEMENT_ID=%s", [number])
    assert phones == [("+74950000001",)]
    own = box.dicts("SELECT * FROM b_uts_crm_lead WHERE VALUE_ID=%s", [number])[0]
    assert (own["UF_CRM_INTEREST"], own["UF_CRM_VISIT"]) == (72, "2026-04-20 15:00:00")
    assert own["UF_CRM_OBJECTS"].startswith("a:2:{i:0;s:10:")
    assert box.rows("SELECT CONTACT_ID FROM b_crm_lead_contact WHERE LEAD_ID=%s", [number]) == [(3,)]

    refused = two("crm.item.import", fields={"title": "zu alt", "createdTime": "2026-04-13T10:00:00+03:00"}, **asked)
    assert refused["error"] == "CRM_FIELD_ERROR_VALUE_NOT_VALID"
    phone = before["fm"][0]["id"]
    changes: Row = {"fm": {str(phone): {"value": "+74950000002"}, "n0": {"typeId": "EMAIL", "value": "a@b.test"}}}
    changes |= {"stageId": "JUNK", "comments": "эмодзи 😀", "UF_CRM_OBJECTS": [], "contactId": 0}
    after = two("crm.item.update", id=number, fields=changes, **asked)["result"]["item"]
    assert [each["value"] for each in after["fm"]] == ["+74950000002", "a@b.test"]
    assert box.rows("SELECT COUNT(*) FROM b_utm_crm_lead WHERE VALUE_ID=%s", [number]) == [(0,)]
    status = box.rows("SELECT STATUS_SEMANTIC_ID, HAS_EMAIL, COMMENTS FROM b_crm_lead WHERE ID=%s", [number])
    assert status == [("F", "Y", "эмодзи 😀")]
    two("crm.item.list", filter={"originatorId": "boxlift:cloud", "originId": "77"}, select=["id"], **asked)
    added = two("crm.item.add", fields={"title": "neu"}, **asked)["result"]["item"]
    two("crm.item.delete", id=number, entityTypeId=1)
    assert two("crm.item.get", id=number, **asked)["error"] == "NOT_FOUND"
    for table, where in (
        ("b_crm_lead", "ID"),
        ("b_uts_crm_lead", "VALUE_ID"),
        ("lab_crm_record", "KIND='lead' AND ID"),
        ("b_crm_field_multi", "ENTITY_ID='LEAD' AND ELEMENT_ID"),
    ):
        assert box.rows(f"SELECT COUNT(*) FROM {table} WHERE {where}=%s", [number]) == [(0,)], table
    assert added["id"] == number + 1 and two("crm.item.get", id=added["id"], **asked)


@pytest.mark.parametrize("entity_type", [2, 3, 4, 128, 7, 31])
def test_other_kinds_are_written(two: Two, entity_type: int) -> None:
    fields: Row = {"title": "Neu", "name": "Анна", "lastName": "Иванова", "companyId": 2, "contactIds": [5, 4]}
    fields |= {"EMAIL": [{"VALUE": "anna@client.test", "VALUE_TYPE": "HOME"}], "ufCrmMortgage": 1, "ufCrmInn": "77"}
    fields |= {"begindate": "2026-05-01", "ufCrmLanguage": 75, **({"categoryId": 1} if entity_type == 2 else {})}
    records = [{**fields, "originId": str(number)} for number in range(3)]
    found = two("crm.item.batchImport", entityTypeId=entity_type, data=records)["result"]["items"]
    numbers = [each["item"]["id"] for each in found]
    for number in numbers:
        two("crm.item.get", entityTypeId=entity_type, id=number)
    two("crm.item.update", entityTypeId=entity_type, id=numbers[0], fields={"companyId": 1, "title": "Anders"})
    two("crm.item.get", entityTypeId=entity_type, id=numbers[0])
    two("crm.item.delete", entityTypeId=entity_type, id=numbers[1])
    two("crm.item.list", entityTypeId=entity_type, filter={">=id": numbers[0]}, select=["*"])
    two("crm.item.fields", entityTypeId=entity_type)


def test_older_methods(two: Two) -> None:
    for kind in ("lead", "deal", "contact", "company"):
        two(
            f"crm.{kind}.list", order={"ID": "ASC"}, filter={">ID": 3}, select=["*", "UF_*", "PHONE", "EMAIL"], start=-1
        )
        two(f"crm.{kind}.list", filter={"%PHONE": "+7495", "ASSIGNED_BY_ID": [3, 4, 5]}, select=["ID"])
        two(f"crm.{kind}.get", id=4)
        two(f"crm.{kind}.fields")
        fields: Row = {"TITLE": "Neu", "NAME": "Анна", "PHONE": [{"VALUE": "+7 (495) 765-43-21", "VALUE_TYPE": "WORK"}]}
        number = two(f"crm.{kind}.add", fields=fields, params={"REGISTER_SONET_EVENT": "N"})["result"]
        two(f"crm.{kind}.update", id=number, fields={"COMMENTS": "x", "SOURCE_ID": "CALL", "OPENED": "N"})
        two(f"crm.{kind}.get", id=number)
    found = two("crm.duplicate.findbycomm", type="PHONE", values=["+7 495 765-43-21"])["result"]
    assert set(found) == {"LEAD", "CONTACT", "COMPANY"}
    two("crm.deal.delete", id=1)
    assert two("crm.activity.list", filter={"OWNER_ID": 1, "OWNER_TYPE_ID": 2})["total"] == 0
    two("crm.contact.delete", id=3)
    two("crm.deal.list", filter={"CONTACT_ID": 3})
    two("crm.company.delete", id=2)
    two("crm.contact.list", select=["*"])


def test_activities(two: Two, box: MariaDBStore) -> None:
    select = ["*", "COMMUNICATIONS"]
    for asked in ({}, {">ID": 120}, {"OWNER_TYPE_ID": 2, "OWNER_ID": 7}, {"TYPE_ID": 2, "!ORIGIN_ID": None}):
        assert two("crm.activity.list", filter=asked, select=select)["total"] > 0
    assert two("crm.activity.list", filter={">=LAST_UPDATED": "2026-01-01T00:00:00+03:00"}, order={"ID": "DESC"})[
        "total"
    ]
    for number in (1, 5, 6, 100000):
        two("crm.activity.get", id=number)
    two("crm.activity.binding.list", activityId=7)
    fields: Row = {"TYPE_ID": 2, "SUBJECT": "Звонок", "OWNER_TYPE_ID": 2, "OWNER_ID": 5, "RESPONSIBLE_ID": 3}
    fields |= {"COMMUNICATIONS": [{"VALUE": "+74951112233", "ENTITY_ID": 4, "ENTITY_TYPE_ID": 3, "TYPE": "PHONE"}]}
    fields |= {"ORIGINATOR_ID": "boxlift:cloud", "ORIGIN_ID": "991", "START_TIME": "2026-05-01T10:00:00+03:00"}
    number = two("crm.activity.add", fields=fields)["result"]
    two("crm.activity.get", id=number)
    two("crm.activity.binding.list", activityId=number)
    assert two("crm.activity.list", filter={"ORIGINATOR_ID": "boxlift:cloud"}, select=select)["total"] == 1
    two("crm.activity.update", id=number, fields={"COMPLETED": "Y", "DESCRIPTION": "besprochen"})
    two("crm.activity.get", id=number)
    row = box.dicts("SELECT * FROM b_crm_act WHERE ID=%s", [number])[0]
    assert (row["START_TIME"], row["COMPLETED"], row["ORIGIN_ID"]) == ("2026-05-01 10:00:00", "Y", "991")
    assert box.rows("SELECT OWNER_TYPE_ID, OWNER_ID FROM b_crm_act_bind WHERE ACTIVITY_ID=%s", [number]) == [
        (2, 5),
        (3, 4),
    ]
    assert box.rows("SELECT VALUE FROM b_crm_act_comm WHERE ACTIVITY_ID=%s", [number]) == [("+74951112233",)]
    two("crm.activity.delete", id=number)
    assert box.rows("SELECT COUNT(*) FROM b_crm_act_bind WHERE ACTIVITY_ID=%s", [number]) == [(0,)]


def test_comments_and_product_rows(two: Two, box: MariaDBStore) -> None:
    of_lead = {"ENTITY_ID": 5, "ENTITY_TYPE": "lead"}
    assert two("crm.timeline.comment.list", filter=of_lead)["total"] == 1
    number = two("crm.timeline.comment.add", fields={**of_lead, "COMMENT": "[2026-04-14] эмодзи 😀"})["result"]
    two("crm.timeline.comment.get", id=number)
    assert two("crm.timeline.comment.list", filter=of_lead, order={"ID": "DESC"})["total"] == 2
    found = "SELECT COMMENT, ASSOCIATED_ENTITY_TYPE_ID, AUTHOR_ID FROM b_crm_timeline WHERE ID=%s"
    assert box.rows(found, [number]) == [("[2026-04-14] эмодзи 😀", 1, 1)]
    two("crm.timeline.comment.update", id=number, fields={"COMMENT": "anders"})
    two("crm.timeline.comment.get", id=number)
    two("crm.timeline.comment.delete", id=number)
    for kind, owner in (("lead", 4), ("deal", 8), ("deal", 3)):
        two(f"crm.{kind}.productrows.get", id=owner)
    rows = [{"PRODUCT_NAME": "Ключи", "PRICE": 100.5, "QUANTITY": 2}, {"PRODUCT_NAME": "Ремонт", "PRICE": "7"}]
    two("crm.deal.productrows.set", id=8, rows=rows)
    two("crm.deal.productrows.get", id=8)
    two("crm.item.productrow.list", filter={"=ownerType": "D", "=ownerId": 8})
    two("crm.deal.get", id=8)
    found = (
        "SELECT PRODUCT_NAME, PRICE, QUANTITY FROM b_crm_product_row WHERE OWNER_TYPE='D' AND OWNER_ID=8 ORDER BY ID"
    )
    assert box.rows(found, ()) == [("Ключи", "100.50", "2.0000"), ("Ремонт", "7.00", "1.0000")]
    two("crm.item.update", entityTypeId=2, id=8, fields={"stageId": "WON"})
    two("crm.stagehistory.list", entityTypeId=2, filter={"OWNER_ID": 8})


def test_what_records_refer_to(two: Two, box: MariaDBStore) -> None:
    for method in (
        "user.current", "user.admin", "profile", "scope", "methods", "crm.status.entity.types", "crm.type.list",
        "userfieldconfig.list", "crm.currency.list",
    ):  # fmt: skip
        assert two(method)["result"], method
    assert two("user.get", filter={"ACTIVE": True}, start=50)["total"] > 50
    assert two("user.get", filter={"EMAIL": "user12@company.test"})["total"] == 1
    for entity in ("STATUS", "SOURCE", "DEAL_STAGE_1", "DYNAMIC_128_STAGE_2"):
        assert two("crm.status.list", filter={"ENTITY_ID": entity}, order={"SORT": "ASC"})["result"]
    number = two("crm.status.add", fields={"ENTITY_ID": "SOURCE", "STATUS_ID": "FAIR", "NAME": "Выставка"})["result"]
    two("crm.status.update", id=number, fields={"NAME": "Ярмарка"})
    two("crm.status.get", id=number)
    assert box.rows("SELECT NAME FROM b_crm_status WHERE STATUS_ID='FAIR'", ()) == [("Ярмарка",)]
    for entity_type in (2, 128):
        two("crm.category.list", entityTypeId=entity_type)
        made = two("crm.category.add", entityTypeId=entity_type, fields={"name": "Аренда"})["result"]["category"]
        two("crm.status.list", filter={"ENTITY_ID": f"DEAL_STAGE_{made['id']}"})
        two("crm.category.list", entityTypeId=entity_type)
    for kind in ("lead", "deal", "contact", "company"):
        two(f"crm.{kind}.userfield.list")
    values = [{"VALUE": "да"}, {"VALUE": "нет"}]
    field: Row = {"FIELD_NAME": "UF_CRM_NEW", "USER_TYPE_ID": "enumeration", "LIST": values}
    number = two("crm.deal.userfield.add", fields=field)["result"]
    two("crm.deal.userfield.get", id=number)
    several: Row = {"FIELD_NAME": "UF_CRM_DAYS", "USER_TYPE_ID": "date", "MULTIPLE": "Y"}
    two("crm.deal.userfield.add", fields=several)
    members = two("crm.deal.userfield.list", filter={"FIELD_NAME": "UF_CRM_NEW"})["result"][0]["LIST"]
    given: Row = {"UF_CRM_NEW": members[1]["ID"], "UF_CRM_DAYS": ["2026-05-01", "2026-06-01"]}
    two("crm.item.update", entityTypeId=2, id=3, fields=given, useOriginalUfNames="Y")
    shown = two("crm.item.get", entityTypeId=2, id=3, useOriginalUfNames="Y")["result"]["item"]
    assert shown["UF_CRM_DAYS"] == ["2026-05-01T00:00:00+03:00", "2026-06-01T00:00:00+03:00"]
    assert box.rows("SELECT UF_CRM_NEW FROM b_uts_crm_deal WHERE VALUE_ID=3", ()) == [(int(members[1]["ID"]),)]
    two("crm.type.add", fields={"title": "Ремонт", "entityTypeId": 1032, "isStagesEnabled": "Y"})
    two("crm.item.add", entityTypeId=1032, fields={"title": "Квартира 5", "contactId": 3})
    assert box.rows("SELECT TITLE, CONTACT_ID FROM b_crm_dynamic_items_1032", ()) == [("Квартира 5", 3)]
    two("crm.item.list", entityTypeId=1032, select=["*"])
    two("crm.deal.userfield.delete", id=number)
    two("crm.item.get", entityTypeId=2, id=3, useOriginalUfNames="Y")


def test_what_the_fixture_has_no_tables_of(two: Two) -> None:
    """Products and calls: kept beside the records."""
    numbers = [
        two("crm.product.add", fields={"NAME": f"Ключ {n}", "PRICE": n * 10, "XML_ID": n})["result"] for n in range(3)
    ]
    two("crm.product.update", id=numbers[1], fields={"PRICE": 7})
    two("crm.product.delete", id=numbers[0])
    assert two("crm.product.list", order={"ID": "DESC"})["total"] == 2
    two("voximplant.statistic.get", FILTER={">ID": 0}, SORT="ID", ORDER="ASC")


def test_a_failed_write_leaves_nothing(two: Two, box: MariaDBStore) -> None:
    with pytest.raises(pymysql.err.Error), box.transaction():
        box.insert("lead", {"title": "halb", "createdTime": "2026-05-01T00:00:00+03:00"})
        box.execute("INSERT INTO b_crm_status (ID) VALUES (1)")
    assert box.count("lead") == 300
    assert two("crm.item.list", entityTypeId=1)["total"] == 300


# -- the cloud -------------------------------------------------------------------------------------------------------


def test_the_cloud_holds_what_the_backup_holds(tmp_path: pathlib.Path, backup: Backup) -> None:
    """Once: what was written outlives a restart; another backup's cloud is another one."""
    world = backup.manifest["world"]
    store = open_store(tmp_path / "crm.sqlite", world, "+03:00")
    assert store.count("lead") == backup.world.leads
    cloud = CloudService(store, Rules(), Clock())
    assert cloud.lab("add", {"kind": "lead", "fields": {"title": "neu"}}) == {"id": backup.world.leads + 1}
    assert cloud.lab("freeze", {}) == {"frozen": True}
    with pytest.raises(Refused, match="FROZEN"):
        cloud.lab("add", {"kind": "lead"})
    store.close()
    store = open_store(tmp_path / "crm.sqlite", world, "+03:00")
    assert store.count("lead") == backup.world.leads + 1
    cloud = CloudService(store, Rules(), Clock())
    with pytest.raises(Refused, match="FROZEN"):
        cloud.lab("delete", {"kind": "lead", "ids": [1]})
    cloud.lab("freeze", {"frozen": False})
    cloud.lab("delete", {"kind": "lead", "ids": [1]})
    assert store.count("lead") == backup.world.leads
    store.close()
    store = open_store(tmp_path / "crm.sqlite", {**world, "leads": 5}, "+03:00")
    assert store.count("lead") == 5
    store.close()


# -- the portal's own address --------------------------------------------------------------------------------------


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> int:
    """Where PHP asks; it has to know before it starts."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
    monkeypatch.setenv("LAB_CRM", f"http://127.0.0.1:{number}")
    return number


@pytest.fixture
def own(port: int, portal: Portal, tables: str, mariadb: t.Any) -> t.Iterator[Portal]:
    """The portal with PHP, its database, and the service beside it."""
    portal.settings(
        ("'host' => '10.12.0.17'", f"'host' => 'localhost:{mariadb.login.unix_socket}'"),
        ("'database' => '******'", f"'database' => '{tables}'"),
        ("'login' => '******'", "'login' => 'root'"),
        ("'password' => '******'", "'password' => ''"),
    )
    service = BoxService(Site(portal.root), "+03:00")
    server = PortalServer(service, address=("127.0.0.1", port))
    server.start()
    yield portal
    server.stop()
    service.tables.close()


def ask(portal: Portal, path: str, **parameters: t.Any) -> tuple[int, t.Any]:
    headers = {"Content-Type": "application/json"}
    status, _headers, text = Browser(portal.url).open(f"/rest/{path}", json.dumps(parameters), **headers)
    return status, json.loads(text)


def test_the_portals_own_webhook(own: Portal, tables: str, mariadb: t.Any) -> None:
    status, answer = ask(own, f"1/{CODE}/crm.item.get", entityTypeId=1, id=7)
    assert (status, answer["result"]["item"]["id"]) == (200, 7)
    assert answer["time"]["date_start"].endswith("+03:00")
    batch = {f"c{n}": f"crm.item.add?entityTypeId=1&fields[title]=Заявка {n}" for n in range(3)}
    status, answer = ask(own, f"1/{CODE}/batch.json", cmd=batch)
    numbers = [answer["result"]["result"][name]["item"]["id"] for name in batch]
    with mariadb.connect(tables) as connection, connection.cursor() as cursor:
        connection.autocommit(True)
        cursor.execute("SELECT TITLE FROM b_crm_lead WHERE ID IN (%s, %s, %s) ORDER BY ID", numbers)
        assert [title for (title,) in cursor.fetchall()] == ["Заявка 0", "Заявка 1", "Заявка 2"]

        assert ask(own, "1/wrong123456789/profile")[1]["error"] == "INVALID_CREDENTIALS"
        assert ask(own, f"2/{CODE}/profile")[1]["error"] == "INVALID_CREDENTIALS"
        assert ask(own, "profile")[1]["error"] == "NO_AUTH_FOUND"
        assert "automation" not in Browser(own.url).open("/_lab/state")[2], "the switches are not for everybody"
        cursor.execute("INSERT INTO b_option (MODULE_ID, NAME, VALUE) VALUES ('main', 'site_stopped', 'Y')")
        assert ask(own, f"1/{CODE}/profile") == (
            500,
            {"error": "PORTAL_DELETED", "error_description": "Portal is closed"},
        )
        cursor.execute("DELETE FROM b_option WHERE NAME='site_stopped'")
        assert ask(own, f"1/{CODE}/profile")[0] == 200
        cursor.execute("UPDATE b_rest_ap SET ACTIVE='N'")
        assert ask(own, f"1/{CODE}/profile")[1]["error"] == "INVALID_CREDENTIALS"


def test_another_database_and_a_lost_one(own: Portal, tables: str, mariadb: t.Any) -> None:
    """A restore brings other tables, and settings that name another database: both are noticed."""
    webhook = f"1/{CODE}/crm.item.list"
    assert ask(own, webhook, entityTypeId=1)[1]["total"] == 300
    other = mariadb.fresh_database("crm_other")
    with mariadb.connect(tables) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW TABLES")
        for (table,) in cursor.fetchall():
            if table.startswith("b_"):
                cursor.execute(f"CREATE TABLE {other}.{table} LIKE {table}")
                cursor.execute(f"INSERT INTO {other}.{table} SELECT * FROM {table}")
        cursor.execute(f"DELETE FROM {other}.b_crm_lead WHERE ID > 10")
        connection.commit()
        own.settings((f"'database' => '{tables}'", f"'database' => '{other}'"))
        assert ask(own, webhook, entityTypeId=1)[1]["total"] == 10
        cursor.execute(f"DROP TABLE {other}.lab_crm_record")
        assert ask(own, f"1/{CODE}/crm.item.get", entityTypeId=1, id=1)[0] == 200
        cursor.execute("SELECT ID FROM information_schema.PROCESSLIST WHERE DB=%s", [other])
        for (number,) in cursor.fetchall():
            cursor.execute(f"KILL {number}")
        assert ask(own, webhook, entityTypeId=1)[1]["total"] == 10
