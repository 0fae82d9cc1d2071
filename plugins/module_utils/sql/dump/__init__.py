# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the vendor's dump and judges it, without a server. Only what is understood and allowed is passed on.

Read in this order: `files` (the files of a dump; `foreign`: who else may have written them), `reader` (the dump as a
whole, `DumpReader`), `statements` (bytes to `Statement`), `literals` (INSERT statements), `geometry` (POINT and its
kind in them), `allowlist` (a `Command` for every allowed statement), and for CREATE statements `lexer`,
`token_cursor`, `grammar`, `create_table` and `create_view`. `repairs` adapts what a server does not accept, after what
`known` says of it; `charsets` does that for collations. `fault` has the errors.
"""
