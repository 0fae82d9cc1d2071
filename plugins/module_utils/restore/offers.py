# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts on their way from the source to the pipeline, and their proofs on the way back.

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
    """A queue of parts. `offer` is called by threads of the source, all else by the pipeline's thread.

    `cipher` is that of the backup once its first part was taken. It is None for a plain backup, and where that part
    could not prove the password; `header_fault` says why.
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
        """Have part `index`, the file `path`, proven. The future raises what ends the restore, if that comes first."""
        answer: _Future[PartScan] = _Future()
        self._offers.put(_Offered(index, path, answer))
        if self._failure is not None:
            self.refuse(self._failure)
        return answer

    def take(self) -> t.Iterator[OfferedPart]:
        """The parts that were offered since the last call. Raises WrongPassword."""
        while not self._offers.empty():
            offered = self._offers.get()
            self._answers[offered.index] = offered.answer  # first of all, so that `fail` reaches it
            if not self._directory:
                self._directory, self._base = os.path.split(os.path.abspath(self._source.first))
                self._open_cipher(offered)
            elif offered.index == 0:
                self._open_cipher(offered)
            name = part_name(self._base, offered.index)
            own = os.path.join(self._directory, name)
            yield OfferedPart(offered.index, name, own, offered.path, kind_of(self._base), self.cipher)

    def answer(self, index: int, scan: PartScan) -> None:
        """Give the source its proof. Nothing happens where the part is read again: each offer has one answer."""
        answer = self._answers.pop(index, None)
        if answer is not None:
            answer.set_result(scan)

    def refuse(self, failure: BaseException) -> None:
        """Nothing more is proven: offers that were not taken, and all later ones, get the failure."""
        self._failure = failure
        while not self._offers.empty():
            self._offers.get().answer.set_exception(failure)

    def fail(self, failure: BaseException) -> None:
        """`refuse`, also for parts that were taken."""
        for index in list(self._answers):
            self._answers.pop(index).set_exception(failure)
        self.refuse(failure)

    def _open_cipher(self, offered: _Offered) -> None:
        """Prove the password with the first part; where that fails, the report says why."""
        kind = kind_of(self._base)
        parts = PartFiles(self._directory, self._base, kind, {} if offered.index else {0: offered.path})
        self.cipher, self.header_fault = cipher_of(parts, self._password)
