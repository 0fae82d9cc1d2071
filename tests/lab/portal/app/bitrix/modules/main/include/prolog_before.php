<?php
// SPDX-FileCopyrightText: boxlift.portal contributors
// SPDX-License-Identifier: GPL-3.0-or-later

declare(strict_types=1);

$_SERVER['DOCUMENT_ROOT'] = rtrim($_SERVER['DOCUMENT_ROOT'] ?: dirname(__DIR__, 4), '/');
foreach (['/local', '/bitrix'] as $folder) {
    if (is_file($_SERVER['DOCUMENT_ROOT'] . "$folder/php_interface/dbconn.php")) {
        require_once $_SERVER['DOCUMENT_ROOT'] . "$folder/php_interface/dbconn.php";
        break;
    }
}
require_once $_SERVER['DOCUMENT_ROOT'] . '/bitrix/modules/main/include.php';
foreach (['/local', '/bitrix'] as $folder) {
    if (is_file($_SERVER['DOCUMENT_ROOT'] . "$folder/php_interface/init.php")) {
        require_once $_SERVER['DOCUMENT_ROOT'] . "$folder/php_interface/init.php";
        break;
    }
}
