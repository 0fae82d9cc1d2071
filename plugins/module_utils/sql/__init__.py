# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""MariaDB and MySQL: a dump that is judged and loaded, and a database that is made equal to another server's.

`failure` says what helps against each error, `connection` logs in and runs small queries, `schema` lists, makes and
drops tables and views. Above them are three packages, each of which uses only those before it: `dump` reads a dump and
judges it, `load` brings it into a staging database and switches that in, `refresh` makes a database equal to one on
another host.
"""
