# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of a move: one JSON object in a line for each event, written by the callback `journal`.

`redact` (`Redactor`) masks secrets before a line is written. `reader` (`Journal`, `Run`, `Step`) reads the files
again, also those of runs that were killed.
"""
