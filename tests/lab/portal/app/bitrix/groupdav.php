<?php
// SPDX-FileCopyrightText: boxlift.portal contributors
// SPDX-License-Identifier: GPL-3.0-or-later

declare(strict_types=1);

namespace Boxlift\Fixture;

// Calendars and contacts for other programs: shows that methods and the Authorization header reach PHP.
require $_SERVER['DOCUMENT_ROOT'] . '/bitrix/modules/main/include/prolog_before.php';
Page::requireHeaderLogin('Bitrix24 CalDAV');
header('DAV: 1, 2, calendar-access');
if ($_SERVER['REQUEST_METHOD'] === 'PROPFIND') {
    http_response_code(207);
    header('Content-Type: application/xml; charset=UTF-8');
    echo '<?xml version="1.0" encoding="UTF-8"?><multistatus xmlns="DAV:"><response><href>/bitrix/groupdav.php/</href>',
        '<propstat><prop/><status>HTTP/1.1 200 OK</status></propstat></response></multistatus>';
}
