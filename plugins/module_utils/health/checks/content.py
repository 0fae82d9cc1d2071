# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Content: whether files, comments and records that the database refers to exist."""

from __future__ import annotations

import math
import pathlib
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context, some
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    DoesNotApply,
    Verdict,
    failed,
    passed,
    warned,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import check
from ansible_collections.boxlift.portal.plugins.module_utils.portal.info import gather
from ansible_collections.boxlift.portal.plugins.module_utils.portal.site import cloud_names

#: Files that are looked at; if there are more, every n-th.
SAMPLE = 5000
_NEEDS = ("database.reachable",)
_LOCAL = "COALESCE(HANDLER_ID, '') = ''"


@check(
    "content.files",
    why="A row of b_file without its file is an attachment that opens as an error.",
    expected="every local file of b_file is in upload/ with the size that the row states",
    remedy="Restore the files named here from the backup (boxlift.portal.backup_restore without database).",
    blocks="some",
    needs=("database.reachable", "settings.readable"),
)
def content_files(context: Context) -> Verdict:
    total = int(context.value(f"SELECT COUNT(*) FROM b_file WHERE {_LOCAL}"))
    upload = context.files.root / (context.option("main", "upload_dir", "upload") or "upload")
    if not total:
        return _no_local_files(context, upload)
    step = math.ceil(total / SAMPLE)
    sample = context.query(
        f"SELECT ID, SUBDIR, FILE_NAME, FILE_SIZE FROM b_file WHERE {_LOCAL} AND MOD(ID, %s) = 0 ORDER BY ID", step
    ) or context.query(
        f"SELECT ID, SUBDIR, FILE_NAME, FILE_SIZE FROM b_file WHERE {_LOCAL} ORDER BY ID LIMIT %s", SAMPLE
    )
    missing, wrong = [], []
    for row in sample:
        path = upload / str(row["SUBDIR"] or "").strip("/") / str(row["FILE_NAME"])
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            missing.append(f"{row['ID']} {path.relative_to(context.files.root)}")
            continue
        if row["FILE_SIZE"] is not None and size != int(row["FILE_SIZE"]):
            wrong.append(
                f"{row['ID']} {path.relative_to(context.files.root)} ({size} instead of {row['FILE_SIZE']} bytes)"
            )
    looked = f"{len(sample)} of {total} files looked at"
    if missing or wrong:
        return failed(f"{looked}: {len(missing)} missing, {len(wrong)} of another size: {some(missing + wrong)}")
    return passed(f"{looked}, all there")


def _no_local_files(context: Context, upload: pathlib.Path) -> Verdict:
    """The verdict where b_file names no file of this host; what lies in upload/ all the same is an orphan."""
    if int(context.value("SELECT COUNT(*) FROM b_file")):
        raise DoesNotApply("every file of b_file is in a cloud storage; content.cloud_files judges that")
    orphan = next((path for path in upload.glob("*/*/*") if path.is_file() and not path.name.startswith(".")), None)
    if orphan is not None:
        return failed(
            f"b_file is empty, and {upload.name}/ holds files, such as {orphan.relative_to(context.files.root)}",
            "Load b_file again from the backup: boxlift.portal.restore, or boxlift.portal.database_import.",
        )
    return warned(
        f"b_file is empty, and {upload.name}/ holds no file",
        "Look into the portal that was moved: if it has attachments, restore again from a backup with its files.",
    )


@check(
    "content.cloud_files",
    why="Files that stayed in the vendor's storage disappear with the cloud portal.",
    expected="no file is kept in a cloud storage, and the download of cloud files left nothing out",
    remedy="Fetch the files (module clouds: move to the portal), or keep the bucket with an account of your own.",
    blocks="some",
    needs=_NEEDS,
)
def content_cloud_files(context: Context) -> Verdict:
    lost = context.portal_files and context.portal_files.root / "bitrix" / "restore_cloud_404.php"
    if lost and lost.is_file():
        return failed(f"{lost} lists files that could not be fetched from the cloud")
    away = context.query(f"SELECT HANDLER_ID, COUNT(*) AS n FROM b_file WHERE NOT {_LOCAL} GROUP BY HANDLER_ID")
    if not away:
        return passed("all files are local")
    context.need_table("b_clouds_file_bucket")
    active = {str(row["ID"]) for row in context.query("SELECT ID FROM b_clouds_file_bucket WHERE ACTIVE = 'Y'")}
    shown = ", ".join(f"{row['n']} in bucket {row['HANDLER_ID']}" for row in away)
    if any(str(row["HANDLER_ID"]) not in active for row in away):
        return failed(f"{shown}; not every one of these buckets is active here")
    return warned(shown)


@check(
    "content.steppers",
    why="A conversion that an update began and never finished leaves half of the data in the old form.",
    expected="no conversion (stepper) is unfinished",
    remedy="Let cron run and look again; one that does not advance has an error in the PHP log.",
    blocks="some",
    needs=_NEEDS,
)
def content_steppers(context: Context) -> Verdict:
    steppers = [
        f"{row['MODULE_ID'][13:]} {row['NAME']}"
        for row in context.query(
            "SELECT MODULE_ID, NAME FROM b_option WHERE MODULE_ID LIKE 'main.stepper.%' ORDER BY MODULE_ID, NAME"
        )
    ]
    steppers += [
        str(row["NAME"])[:80]
        for row in context.query(
            "SELECT NAME FROM b_agent WHERE ACTIVE = 'Y' AND NAME LIKE '%::execAgent%' ORDER BY ID"
        )
    ]
    return warned(f"{len(steppers)} unfinished: {some(steppers)}") if steppers else passed("none is unfinished")


@check(
    "content.task_comments",
    why="Comments are shown by counters and links between three tables; where these disagree, comments are hidden.",
    expected="every task's topic exists and counts its messages, every task topic belongs to a task",
    remedy="Bring the modules to the backup's versions, then recount the topics and link them again.",
    blocks="some",
    needs=_NEEDS,
)
def content_task_comments(context: Context) -> Verdict:
    for table in ("b_tasks", "b_forum_topic", "b_forum_message"):
        context.need_table(table)
    problems = context.query(
        "SELECT t.ID, CASE WHEN ft.ID IS NULL THEN 'topic missing' ELSE 'counter wrong' END AS problem"
        " FROM b_tasks t LEFT JOIN b_forum_topic ft ON ft.ID = t.FORUM_TOPIC_ID"
        " LEFT JOIN (SELECT TOPIC_ID, COUNT(*) AS n FROM b_forum_message WHERE APPROVED = 'Y' GROUP BY TOPIC_ID) m"
        " ON m.TOPIC_ID = ft.ID WHERE t.FORUM_TOPIC_ID > 0"
        " AND (ft.ID IS NULL OR ft.POSTS <> GREATEST(COALESCE(m.n, 0) - 1, 0)) ORDER BY t.ID"
    )
    wrong = [f"task {row['ID']}: {row['problem']}" for row in problems]
    orphans = context.query(
        "SELECT ft.ID FROM b_forum_topic ft LEFT JOIN b_tasks t ON t.FORUM_TOPIC_ID = ft.ID"
        " WHERE ft.XML_ID LIKE 'TASK\\_%' AND t.ID IS NULL ORDER BY ft.ID"
    )
    wrong += [f"topic {row['ID']}: no task" for row in orphans]
    if wrong:
        return failed(f"{len(wrong)} places: {some(wrong)}")
    tasks = int(context.value("SELECT COUNT(*) FROM b_tasks WHERE FORUM_TOPIC_ID > 0"))
    return passed(f"{tasks} tasks with comments")


@check(
    "content.task_chats",
    why="The new task card keeps comments in chats; a chat that is missing shows an empty discussion.",
    expected="every chat that a task names exists",
    remedy="Restore b_im_chat and b_im_message together with b_tasks_task_chat from one backup.",
    blocks="some",
    needs=_NEEDS,
)
def content_task_chats(context: Context) -> Verdict:
    context.need_table("b_tasks_task_chat")
    lost = context.query(
        "SELECT c.TASK_ID FROM b_tasks_task_chat c LEFT JOIN b_im_chat i ON i.ID = c.CHAT_ID WHERE i.ID IS NULL"
        " ORDER BY c.TASK_ID"
    )
    if lost:
        return failed(f"{len(lost)} tasks name a chat that is missing: {some([row['TASK_ID'] for row in lost])}")
    return passed(f"{context.value('SELECT COUNT(*) FROM b_tasks_task_chat')} chats")


@check(
    "content.notices",
    why="The portal's own notices to its administrators say what it has found out about itself.",
    expected="no admin notice is open",
    remedy="Open the portal's administration, follow each notice and dismiss it.",
    blocks="nobody",
    needs=_NEEDS,
)
def content_notices(context: Context) -> Verdict:
    tags = [str(row["TAG"]) for row in context.query("SELECT DISTINCT TAG FROM b_admin_notify ORDER BY TAG")]
    return warned(f"open: {some(tags)}") if tags else passed("none")


def _portal(context: Context) -> dict[str, t.Any]:
    """What the module portal_info would return now."""
    conn = context.connection
    return context.once("portal", lambda: gather(None, conn))


def _compared(context: Context, entities: t.Sequence[str]) -> Verdict:
    """Compares the counts of these entities with the baseline; fewer than before is a failure."""
    now = _portal(context)["counts"]
    stated = context.need_baseline("counts")
    before = {name: int(stated[name]) for name in entities if isinstance(stated.get(name), int)}
    if not before:
        raise DoesNotApply(f"the baseline counts none of {', '.join(entities)}")
    lost = [f"{before[name] - (now[name] or 0)} {name}" for name in before if (now[name] or 0) < before[name]]
    shown = ", ".join(f"{'no table' if now[name] is None else now[name]} {name}" for name in before)
    return Verdict(
        "fail" if lost else "pass",
        f"now {shown}" + (f"; lost: {', '.join(lost)}" if lost else ""),
        before=", ".join(f"{number} {name}" for name, number in before.items()),
    )


_COUNTED = "no fewer than the baseline counts"
_RESTORE = "Compare with the backup: look at the restore's warnings, and load the tables again (database_import)."


@check(
    "content.count_people",
    why="A user who is missing takes tasks, rights and history along.",
    expected=f"users and groups: {_COUNTED}",
    remedy=_RESTORE,
    blocks="some",
    needs=_NEEDS,
)
def content_count_people(context: Context) -> Verdict:
    return _compared(context, ("users", "groups"))


@check(
    "content.count_crm",
    why="A lead, deal or customer that is missing is lost business.",
    expected=f"leads, deals, contacts, companies, activities and timeline: {_COUNTED}",
    remedy=_RESTORE,
    blocks="some",
    needs=_NEEDS,
)
def content_count_crm(context: Context) -> Verdict:
    return _compared(context, ("leads", "deals", "contacts", "companies", "activities", "timeline"))


@check(
    "content.count_work",
    why="Tasks and their comments are what people worked on yesterday.",
    expected=f"tasks and comments: {_COUNTED}",
    remedy=_RESTORE,
    blocks="some",
    needs=_NEEDS,
)
def content_count_work(context: Context) -> Verdict:
    return _compared(context, ("tasks", "comments"))


@check(
    "content.count_messages",
    why="Chats hold agreements that are written nowhere else.",
    expected=f"chats and messages: {_COUNTED}",
    remedy=_RESTORE,
    blocks="some",
    needs=_NEEDS,
)
def content_count_messages(context: Context) -> Verdict:
    return _compared(context, ("chats", "messages"))


@check(
    "content.count_files",
    why="A file that the database does not know cannot be opened, wherever it lies.",
    expected=f"files and documents: {_COUNTED}",
    remedy=_RESTORE,
    blocks="some",
    needs=_NEEDS,
)
def content_count_files(context: Context) -> Verdict:
    return _compared(context, ("files", "disk_objects"))


@check(
    "content.newest",
    why="Everything that people did between the backup and the switch is missing here.",
    expected="the newest records are as new as those of the baseline",
    remedy="Transfer what came since (crm_transfer), or make the final backup with the cloud closed.",
    blocks="some",
    needs=_NEEDS,
)
def content_newest(context: Context) -> Verdict:
    now = _portal(context)["newest"]
    before = {name: str(value) for name, value in context.need_baseline("newest").items() if value}
    if not before:
        raise DoesNotApply("the baseline has no dated record")
    older = [f"{name} {now.get(name) or 'none'}" for name in before if str(now.get(name) or "") < before[name]]
    return Verdict(
        "fail" if older else "pass",
        f"older than before: {some(older)}" if older else f"newest {max(str(v) for v in now.values() if v)}",
        before=some([f"{name} {before[name]}" for name in sorted(before)], 20),
    )


def _orphans(context: Context, lost: str, fault: str, all_of_them: str, what: str) -> Verdict:
    """Fails if the query `lost` finds dangling rows; passes with the number that `all_of_them` counts."""
    ids = [row["ID"] for row in context.query(lost)]
    if ids:
        return failed(f"{len(ids)} {fault}: {some(ids)}")
    return passed(f"{context.value(all_of_them)} {what}")


@check(
    "content.disk_files",
    why="A document of the drive without its file opens as an error.",
    expected="every document of the drive has its row in b_file",
    remedy="Load b_disk_object and b_file again from one backup.",
    blocks="some",
    needs=_NEEDS,
)
def content_disk_files(context: Context) -> Verdict:
    context.need_table("b_disk_object")
    return _orphans(
        context,
        "SELECT o.ID FROM b_disk_object o LEFT JOIN b_file f ON f.ID = o.FILE_ID"
        " WHERE o.FILE_ID > 0 AND f.ID IS NULL ORDER BY o.ID",
        "documents have no file",
        "SELECT COUNT(*) FROM b_disk_object WHERE FILE_ID > 0",
        "documents",
    )


@check(
    "content.attachments",
    why="Attachments of tasks, comments and posts point to documents of the drive.",
    expected="every attachment's document exists",
    remedy="Load b_disk_attached_object and b_disk_object again from one backup.",
    blocks="some",
    needs=_NEEDS,
)
def content_attachments(context: Context) -> Verdict:
    context.need_table("b_disk_attached_object")
    return _orphans(
        context,
        "SELECT a.ID FROM b_disk_attached_object a LEFT JOIN b_disk_object o ON o.ID = a.OBJECT_ID"
        " WHERE o.ID IS NULL ORDER BY a.ID",
        "attachments have no document",
        "SELECT COUNT(*) FROM b_disk_attached_object",
        "attachments",
    )


@check(
    "content.chat_folders",
    why="Files of a chat lie in a folder of its own; without it nothing can be sent there.",
    expected="every chat's folder exists on the drive",
    remedy="Load b_im_chat and b_disk_object again from one backup.",
    blocks="some",
    needs=_NEEDS,
)
def content_chat_folders(context: Context) -> Verdict:
    for table in ("b_im_chat", "b_disk_object"):
        context.need_table(table)
    return _orphans(
        context,
        "SELECT c.ID FROM b_im_chat c LEFT JOIN b_disk_object o ON o.ID = c.DISK_FOLDER_ID"
        " WHERE c.DISK_FOLDER_ID > 0 AND o.ID IS NULL ORDER BY c.ID",
        "chats have lost their folder",
        "SELECT COUNT(*) FROM b_im_chat WHERE DISK_FOLDER_ID > 0",
        "chats with a folder",
    )


@check(
    "content.chat_messages",
    why="A message whose chat is missing is shown nowhere.",
    expected="every message belongs to a chat that exists",
    remedy="Load b_im_chat and b_im_message again from one backup.",
    blocks="some",
    needs=_NEEDS,
)
def content_chat_messages(context: Context) -> Verdict:
    for table in ("b_im_message", "b_im_chat"):
        context.need_table(table)
    row = context.query(
        "SELECT COUNT(*) AS n, COUNT(DISTINCT m.CHAT_ID) AS chats FROM b_im_message m"
        " LEFT JOIN b_im_chat c ON c.ID = m.CHAT_ID WHERE c.ID IS NULL"
    )[0]
    if row["n"]:
        return failed(f"{row['n']} messages of {row['chats']} chats that are missing")
    return passed(f"{context.value('SELECT COUNT(*) FROM b_im_message')} messages")


@check(
    "content.task_forum",
    why="Comments in another forum than the one that tasks use are not shown.",
    expected="tasks.task_forum_id names a forum, and the tasks' topics are in it",
    remedy="Set tasks.task_forum_id with portal_option to the forum that holds the tasks' topics.",
    blocks="some",
    needs=_NEEDS,
)
def content_task_forum(context: Context) -> Verdict:
    for table in ("b_forum", "b_forum_topic", "b_tasks"):
        context.need_table(table)
    forum = context.option("tasks", "task_forum_id")
    if not context.query("SELECT ID FROM b_forum WHERE ID = %s", forum or "0"):
        return failed(f"tasks.task_forum_id is {forum!r}, and there is no such forum")
    away = int(
        context.value(
            "SELECT COUNT(*) FROM b_tasks t JOIN b_forum_topic ft ON ft.ID = t.FORUM_TOPIC_ID WHERE ft.FORUM_ID <> %s",
            forum,
        )
    )
    return failed(f"{away} topics are in other forums than {forum}") if away else passed(f"forum {forum}")


@check(
    "content.hidden_comments",
    why="Comments that wait for approval are seen by nobody but moderators.",
    expected="no comment of a task waits for approval",
    remedy="Approve them in the forum's administration, and recount the topics.",
    blocks="some",
    needs=_NEEDS,
)
def content_hidden_comments(context: Context) -> Verdict:
    for table in ("b_forum_message", "b_tasks"):
        context.need_table(table)
    hidden = int(
        context.value(
            "SELECT COUNT(*) FROM b_forum_message m JOIN b_tasks t ON t.FORUM_TOPIC_ID = m.TOPIC_ID"
            " WHERE m.APPROVED <> 'Y'"
        )
    )
    return warned(f"{hidden} wait") if hidden else passed("none waits")


@check(
    "content.cloud_links",
    why="Who follows a link to the cloud's portal from a fresh message goes on working there.",
    expected="messages of the last week do not lead to a portal in the vendor's cloud",
    remedy="Tell the users the new address; redirect the old one as long as the cloud is open.",
    blocks="some",
    owner="customer",
    needs=_NEEDS,
)
def content_cloud_links(context: Context) -> Verdict:
    context.need_table("b_im_message")
    recent = context.query(
        "SELECT ID, MESSAGE AS m FROM b_im_message WHERE ID > (SELECT COALESCE(MAX(ID), 0) - 20000 FROM b_im_message)"
        " AND DATE_CREATE > NOW() - INTERVAL 7 DAY AND MESSAGE LIKE '%.bitrix24.%' ORDER BY ID"
    )
    names = sorted({name for row in recent for name in cloud_names(row["m"])})
    return warned(f"{len(recent)} messages name {some(names)}") if names else passed("none does")
