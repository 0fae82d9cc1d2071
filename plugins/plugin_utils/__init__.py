# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Code for the controller, where Ansible itself can be imported; nothing of it runs on a host.

`journal` is written by a callback and read by `report`; `progress` follows long modules; `preflight` judges an
inventory.
"""
