# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks with their comments (forum topics, and chats for the newest tasks), chats and their messages."""

from __future__ import annotations

import typing as t

from lab.dump_writer import Row

from . import files
from .world import FIRST_NAMES, LAST_NAMES, World, rows_of

TASK_FORUM = 8
RECENT_TASKS = 10
TYPE_SYSTEM = 1


def comments(w: World, task: int) -> int:
    """How many comments a task has; a task without any has no topic."""
    return w.number("comments", task, 7)


def _topics(w: World) -> t.Iterator[tuple[int, int, int]]:
    """Task, number of comments and id of the topic's first message; the topic has the task's number."""
    message = 1
    for task in range(1, w.tasks + 1):
        count = comments(w, task)
        if count:
            yield task, count, message
            message += count + 1


def _is_service(w: World, message: int) -> bool:
    """A note by the system (deadline moved and the like) among the comments."""
    return w.number("service", message, 5) == 0


def b_tasks(w: World) -> t.Iterator[Row]:
    for task in range(1, w.tasks + 1):
        age = w.created("task", task, w.tasks)
        closed = w.number("task:closed", task, 3) > 0
        changed = w.ago(w.number("task:changed", task, age))
        yield {
            "ID": task,
            "TITLE": w.phrase("task", task),
            "DESCRIPTION": w.text("task", task),
            "STATUS": "5" if closed else "2",
            "RESPONSIBLE_ID": w.employee("task:responsible", task),
            "CREATED_BY": w.employee("task:author", task),
            "CREATED_DATE": w.ago(age),
            "CHANGED_DATE": changed,
            "CLOSED_DATE": changed if closed else None,
            "FORUM_TOPIC_ID": task if comments(w, task) else None,
            "COMMENTS_COUNT": comments(w, task),
        }


def b_forum(w: World) -> t.Iterator[Row]:
    topics = posts = 0
    for _topic, count, _rest in _topics(w):
        topics += 1
        posts += count + 1
    row: Row = {"ID": TASK_FORUM, "NAME": "Обсуждение задач", "TOPICS": topics, "POSTS": posts}
    yield {**row, "XML_ID": "intranet_tasks"}


def b_forum_topic(w: World) -> t.Iterator[Row]:
    """POSTS counts the approved messages but the first, as the forum itself recounts it."""
    for task, count, first in _topics(w):
        yield {
            "ID": task,
            "FORUM_ID": TASK_FORUM,
            "TITLE": w.phrase("task", task),
            "USER_START_ID": w.employee("task:author", task),
            "USER_START_NAME": "Сотрудник",
            "START_DATE": w.ago(w.created("task", task, w.tasks)),
            "POSTS": count,
            "POSTS_SERVICE": sum(_is_service(w, first + n) for n in range(1, count + 1)),
            "LAST_POST_DATE": _comment_date(w, task, count, count),
            "LAST_MESSAGE_ID": first + count,
            "XML_ID": f"TASK_{task}",
        }


def _comment_date(w: World, task: int, number: int, count: int) -> str:
    age = w.created("task", task, w.tasks)
    return w.ago(age - age * number // (count + 1))


def b_forum_message(w: World) -> t.Iterator[Row]:
    for task, count, first in _topics(w):
        for number in range(count + 1):
            message = first + number
            opening = number == 0
            author = w.employee("task:author", task) if opening else w.employee("comment", message)
            yield {
                "ID": message,
                "FORUM_ID": TASK_FORUM,
                "TOPIC_ID": task,
                "NEW_TOPIC": "Y" if opening else "N",
                "POST_DATE": _comment_date(w, task, number, count),
                "POST_MESSAGE": w.text("task", task) if opening else w.text("comment", message),
                "AUTHOR_ID": author,
                "AUTHOR_NAME": f"{w.pick('first', author, FIRST_NAMES)} {w.pick('last', author, LAST_NAMES)}",
                "PARAM1": "TK" if opening else None,
                "PARAM2": task if opening else None,
                "XML_ID": f"TASK_{task}",
                "SERVICE_TYPE": TYPE_SYSTEM if not opening and _is_service(w, message) else None,
            }


def _task_chats(w: World) -> t.Iterator[tuple[int, int]]:
    """The newest tasks have a chat besides, numbered behind the ordinary chats."""
    newest = range(max(w.tasks - RECENT_TASKS, 0) + 1, w.tasks + 1)
    return zip(newest, range(w.chats + 1, w.chats + 1 + len(newest)))


def b_tasks_task_chat(w: World) -> t.Iterator[Row]:
    for number, (task, chat) in enumerate(_task_chats(w), 1):
        yield {"ID": number, "TASK_ID": task, "CHAT_ID": chat}


def _message_ids(w: World, chat: int) -> range:
    """Messages go round the chats: 1, 2 … and from the first again."""
    return range(chat, w.messages + 1, w.chats)


def b_im_chat(w: World) -> t.Iterator[Row]:
    for chat in range(1, w.chats + 1):
        ids = _message_ids(w, chat)
        yield {
            "ID": chat,
            "TITLE": w.phrase("chat", chat),
            "TYPE": "C" if chat % 4 else "O",
            "AUTHOR_ID": w.employee("chat", chat),
            "MESSAGE_COUNT": len(ids),
            "USER_COUNT": len(_members(w, chat)),
            "LAST_MESSAGE_ID": ids[-1] if ids else None,
            "DATE_CREATE": w.ago(w.created("chat", chat, w.chats)),
        }
    for task, chat in _task_chats(w):
        yield {
            "ID": chat,
            "TITLE": w.phrase("task", task),
            "TYPE": "X",
            "AUTHOR_ID": w.employee("task:author", task),
            "ENTITY_TYPE": "TASKS_TASK",
            "ENTITY_ID": str(task),
            "DATE_CREATE": w.ago(3600),
        }


def _members(w: World, chat: int) -> list[int]:
    return sorted({w.employee(f"member:{n}", chat) for n in range(6)})


def b_im_relation(w: World) -> t.Iterator[Row]:
    number = 0
    for chat in range(1, w.chats + 1):
        for user in _members(w, chat):
            number += 1
            yield {"ID": number, "CHAT_ID": chat, "MESSAGE_TYPE": "C", "USER_ID": user}


def _has_file(w: World, message: int) -> bool:
    return w.files > 0 and message % 20 == 0


def b_im_message(w: World) -> t.Iterator[Row]:
    for message in range(1, w.messages + 1):
        chat = (message - 1) % w.chats + 1
        yield {
            "ID": message,
            "CHAT_ID": chat,
            "AUTHOR_ID": w.pick("message", message, _members(w, chat)),
            "MESSAGE": "" if _has_file(w, message) else w.text("message", message),
            "DATE_CREATE": w.ago(w.created("message", message, w.messages)),
            "NOTIFY_READ": "Y",
        }


def b_im_message_param(w: World) -> t.Iterator[Row]:
    """Attachments: FILE_ID names an object of the disk."""
    number = 0
    for message in range(20, w.messages + 1, 20):
        if _has_file(w, message):
            number += 1
            item = files.object_id(1 + w.number("attachment", message, w.files))
            yield {"ID": number, "MESSAGE_ID": message, "PARAM_NAME": "FILE_ID", "PARAM_VALUE": str(item)}


ROWS = rows_of(globals())
