<?php
// SPDX-FileCopyrightText: boxlift.portal contributors
// SPDX-License-Identifier: GPL-3.0-or-later

const SM_VERSION = '26.250.100';
const SM_VERSION_DATE = '2026-04-13 10:00:00';
