<?php
// SPDX-FileCopyrightText: boxlift.portal contributors
// SPDX-License-Identifier: GPL-3.0-or-later

// For PHP's built-in web server: what a real one does with paths that are no file (see bitrix/urlrewrite.php).
$path = $_SERVER['DOCUMENT_ROOT'] . rawurldecode((string)parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH));
if (is_file($path) || is_file(rtrim($path, '/') . '/index.php')) {
    return false;
}
require $_SERVER['DOCUMENT_ROOT'] . '/bitrix/urlrewrite.php';
