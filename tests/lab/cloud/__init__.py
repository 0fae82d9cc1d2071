# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated vendor cloud: serves the parts of a backup, well or badly. Standard library only."""
