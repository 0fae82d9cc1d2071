# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How big the portal is, and the numbers, dates and words it is made of.

Nothing is drawn in sequence: every value depends on the seed, a label and an id only, so tables can be written in any
order and one by one, and still agree with each other.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import typing as t
import zlib

from lab.dump_writer import Row

MIB = 1024 * 1024


@dataclasses.dataclass(frozen=True)
class World:
    seed: int = 1
    users: int = 120
    leads: int = 1500
    deals: int = 600
    contacts: int = 900
    tasks: int = 400
    chats: int = 40
    messages: int = 3000
    files: int = 250
    file_bytes: int = 8 * MIB
    kernel_files: int = 300
    cloud_files: int = 0
    moment: datetime.datetime = datetime.datetime(2026, 4, 13, 2, 0, 0)
    collation: str = "utf8mb4_unicode_ci"
    cloud_domain: str = "company.bitrix24.ru"

    def __post_init__(self) -> None:
        if self.users < 1 or self.chats < 1:
            raise ValueError("a portal has at least one user and one chat")

    def number(self, label: str, item: int, below: int) -> int:
        """A number in [0, below) for this item, evenly distributed."""
        # CRC of similar texts differs in few bits; the multiplication spreads them.
        mixed = zlib.crc32(f"{self.seed}:{label}:{item}".encode()) * 0x9E3779B97F4A7C15
        return (mixed >> 24) % 0x100000000 * below >> 32

    def pick(self, label: str, item: int, choices: t.Sequence[t.Any]) -> t.Any:
        return choices[self.number(label, item, len(choices))]

    def token(self, label: str, item: int, length: int = 32) -> str:
        """Hexadecimal text that looks random."""
        return hashlib.sha512(f"{self.seed}:{label}:{item}".encode()).hexdigest()[:length]

    def ago(self, seconds: int) -> str:
        """The time that long before the backup, as SQL writes it."""
        return str(self.moment - datetime.timedelta(seconds=seconds))

    def created(self, label: str, item: int, total: int) -> int:
        """Seconds before the backup at which item `item` of `total` came: two years, later ids later."""
        span = 2 * 365 * 86400
        step = max(span // max(total, 1), 1)
        return (total - item) * step + self.number(f"{label}:created", item, step) + 60

    @property
    def timestamp(self) -> int:
        """The moment as Unix time, taken as UTC so that the maker's time zone does not matter."""
        return int(self.moment.replace(tzinfo=datetime.timezone.utc).timestamp())

    @property
    def staff(self) -> range:
        """Ids of the employees; user 1 is the local administrator."""
        return range(1, self.users + 1)

    def employee(self, label: str, item: int) -> int:
        return 1 + self.number(label, item, self.users)

    def phrase(self, label: str, item: int) -> str:
        return f"{self.pick(label + ':verb', item, VERBS)} {self.pick(label + ':noun', item, NOUNS)} № {item}"

    def text(self, label: str, item: int) -> str:
        """A few sentences; every 50th item holds what breaks a careless reader or writer of SQL."""
        if self.number(f"{label}:odd", item, 50) == 0:
            return t.cast(str, self.pick(f"{label}:hard", item, HARD_TEXTS))
        count = 1 + self.number(f"{label}:length", item, 6)
        return "\n".join(self.phrase(f"{label}:{n}", item) + "." for n in range(count))


def rows_of(module: dict[str, t.Any]) -> dict[str, t.Callable[[World], t.Iterator[Row]]]:
    """The functions of a module that are named after tables."""
    return {name: value for name, value in module.items() if name.startswith("b_")}


SIZES: dict[str, dict[str, int]] = {
    "small": {},
    "medium": {
        "users": 900,
        "leads": 40_000,
        "deals": 15_000,
        "contacts": 25_000,
        "tasks": 8_000,
        "chats": 600,
        "messages": 80_000,
        "files": 8_000,
        "file_bytes": 270 * MIB,
        "kernel_files": 4_800,
    },
    "2g": {
        "users": 2_500,
        "leads": 120_000,
        "deals": 50_000,
        "contacts": 80_000,
        "tasks": 25_000,
        "chats": 2_000,
        "messages": 300_000,
        "files": 20_000,
        "file_bytes": 1700 * MIB,
        "kernel_files": 10_000,
    },
}

FIRST_NAMES = (
    "Анна",
    "Иван",
    "Мария",
    "Пётр",
    "Ольга",
    "Сергей",
    "Елена",
    "Дмитрий",
    "Наталья",
    "Алексей",
    "Юлия",
    "Олег",
)
LAST_NAMES = ("Ковальчук", "Бондаренко", "Мороз", "Жук", "Шевчук", "Ткаченко", "Чумак", "Дзюба", "Гончар", "Крамаренко")
POSITIONS = ("Менеджер по продажам", "Оператор колл-центра", "Руководитель отдела", "Инженер", "Юрист", "Бухгалтер")
VERBS = ("Показ квартиры", "Договор", "Звонок клиенту", "Бронь", "Акт сверки", "Осмотр", "Смета", "Заявка с сайта")
NOUNS = (
    "ЖК «Северный»",
    "корпус 2",
    "паркинг",
    "кладовая",
    "очередь 3",
    "офис продаж",
    "фасад",
    "ипотека",
    "подъезд 4",
)
SOURCES = ("WEB", "CALL", "EMAIL", "ADVERTISING", "CALLBACK")
HARD_TEXTS = (
    "Кавычки 'одинарные' и \"двойные\", обратная косая \\ и %_",
    "Строка 1;\nстрока 2;\r\n-- не комментарий\n",
    "'); DROP TABLE b_user; --",
    "INSERT INTO `b_user` VALUES\n(1, 'a'),\n(2, 'b');\n",
    "эмодзи 😀🎉 и ноль \0 и \x1a",
    "),(",
    "<DATABASE>",
    "x" * 4000,
)
