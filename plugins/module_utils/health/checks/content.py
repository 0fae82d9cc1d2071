# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether what the database speaks of is there: files, comments, finished conversions."""

from __future__ import annotations

import math

from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context, some
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    CannotLook,
    Verdict,
    failed,
    passed,
    warned,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import check

#: At most this many files are looked at; with more, every n-th.
SAMPLE = 5000
_NEEDS = ("database.reachable",)
_LOCAL = "COALESCE(HANDLER_ID, '') = ''"


@check(
    "content.files",
    why="A row of b_file without its file is an attachment that opens as an error.",
    expected="every local file of b_file is in upload/ with the size that the row states",
    remedy="Restore the files named here from the backup (boxlift.portal.backup_restore without database).",
    needs=("database.reachable", "settings.readable"),
)
def content_files(context: Context) -> Verdict:
    total = int(context.value(f"SELECT COUNT(*) FROM b_file WHERE {_LOCAL}"))
    if not total:
        raise CannotLook("b_file has no local files")
    step = math.ceil(total / SAMPLE)
    sample = context.query(
        f"SELECT ID, SUBDIR, FILE_NAME, FILE_SIZE FROM b_file WHERE {_LOCAL} AND MOD(ID, %s) = 0 ORDER BY ID", step
    ) or context.query(
        f"SELECT ID, SUBDIR, FILE_NAME, FILE_SIZE FROM b_file WHERE {_LOCAL} ORDER BY ID LIMIT %s", SAMPLE
    )
    upload = context.files.root / (context.option("main", "upload_dir", "upload") or "upload")
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


@check(
    "content.cloud_files",
    why="Files that stayed in the vendor's storage disappear with the cloud portal.",
    expected="no file is kept in a cloud storage, and the download of cloud files left nothing out",
    remedy="Fetch the files (module clouds: move to the portal), or keep the bucket with an account of your own.",
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
    needs=_NEEDS,
)
def content_notices(context: Context) -> Verdict:
    tags = [str(row["TAG"]) for row in context.query("SELECT DISTINCT TAG FROM b_admin_notify ORDER BY TAG")]
    return warned(f"open: {some(tags)}") if tags else passed("none")
