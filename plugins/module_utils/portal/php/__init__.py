# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits PHP configuration files as text. PHP is never run; what is not edited stays byte for byte.

Read in this order: `lexer` (tokens), `parser` (`Node` and `Item`: where a value stands in the text), `values` (what a
literal means, `Opaque` for expressions), `style` (edits in the file's own style), and the two kinds of files: `config`
(`.settings.php`, which returns an array) and `dbconn` (`dbconn.php`, a list of statements; `assignments` finds what
they set, and under which conditions).
"""
