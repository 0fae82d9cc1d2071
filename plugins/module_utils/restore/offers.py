# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the source offers: parts, each with a promise to say what its proof found.

This is the seam between fetch and restore: the thread of a fetch that has a complete part calls `Offers.offer` as its
proof (download/proof.py) and waits, while the pipeline's thread takes the part and answers when a worker has read it.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import os
import queue
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.cipher import Cipher
from ansible_collections.boxlift.portal.plugins.module_utils.archive.fault import PartFault
from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import PartFiles, kind_of, part_name
from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan import PartScan, cipher_of
from ansible_collections.boxlift.portal.plugins.module_utils.restore.source import Source
from ansible_collections.boxlift.portal.plugins.module_utils.restore.tasks import OfferedPart

_Future = concurrent.futures.Future


@dataclasses.dataclass(frozen=True)
class _Offered:
    index: int
    path: str
    answer: _Future[PartScan]


class Offers:
    """`offer` is for the source's threads, everything else for the one that works on the parts.

    `cipher` is None for a plain backup, and where `header_fault` says why the first part could not prove the password.
    """

    def __init__(self, source: Source, password: str | None) -> None:
        self._source = source
        self._password = password
        self._offers: queue.SimpleQueue[_Offered] = queue.SimpleQueue()
        self._answers: dict[int, _Future[PartScan]] = {}
        self._directory = self._base = ""
        self._failure: BaseException | None = None
        self.cipher: Cipher | None = None
        self.header_fault: PartFault | None = None

    def offer(self, index: int, path: str) -> _Future[PartScan]:
        """Part `index` lies in `path`. The answer fails when the restore does."""
        answer: _Future[PartScan] = _Future()
        self._offers.put(_Offered(index, path, answer))
        if self._failure is not None:
            self.refuse(self._failure)
        return answer

    def take(self) -> t.Iterator[OfferedPart]:
        """The parts that were offered since the last look. Raises WrongPassword."""
        while not self._offers.empty():
            offered = self._offers.get()
            self._answers[offered.index] = offered.answer  # from here on it gets one, whatever happens
            if not self._directory:
                self._directory, self._base = os.path.split(os.path.abspath(self._source.first))
                self._open_cipher(offered)
            elif offered.index == 0:
                self._open_cipher(offered)
            name = part_name(self._base, offered.index)
            own = os.path.join(self._directory, name)
            yield OfferedPart(offered.index, name, own, offered.path, kind_of(self._base), self.cipher)

    def answer(self, index: int, scan: PartScan) -> None:
        """The source hears of a part once for each offer."""
        answer = self._answers.pop(index, None)
        if answer is not None:
            answer.set_result(scan)

    def refuse(self, failure: BaseException) -> None:
        """Nothing will be proven any more: whoever waits for an answer, now or later, gets the failure."""
        self._failure = failure
        while not self._offers.empty():
            self._offers.get().answer.set_exception(failure)

    def fail(self, failure: BaseException) -> None:
        """`refuse`, also for those parts that were taken."""
        for index in list(self._answers):
            self._answers.pop(index).set_exception(failure)
        self.refuse(failure)

    def _open_cipher(self, offered: _Offered) -> None:
        """The first part proves the password; where it cannot, the report says why."""
        kind = kind_of(self._base)
        parts = PartFiles(self._directory, self._base, kind, {} if offered.index else {0: offered.path})
        self.cipher, self.header_fault = cipher_of(parts, self._password)
