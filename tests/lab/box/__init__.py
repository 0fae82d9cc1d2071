# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The CRM's REST interface of the fixture portal: the methods of lab.crm on the portal's own MariaDB tables.

Read `tables.py` (which table and column holds what), `mariadb.py` (the storage; `sql.py` has its conditions,
`special.py` what is in several tables), `portal.py` (the service on the web host, beside PHP), `from_backup.py` (the
same records for the simulated cloud), `cloud.py` (the service of the cloud).
"""
