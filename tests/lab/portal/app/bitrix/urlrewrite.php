<?php
// SPDX-FileCopyrightText: boxlift.portal contributors
// SPDX-License-Identifier: GPL-3.0-or-later

declare(strict_types=1);

// What is not a file or folder comes here: the first rule that fits names the script, else the page is not found.
$_SERVER['DOCUMENT_ROOT'] = rtrim($_SERVER['DOCUMENT_ROOT'], '/');
require $_SERVER['DOCUMENT_ROOT'] . '/urlrewrite.php';
$path = (string)parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
foreach ($arUrlRewrite as $rule) {
    if (preg_match($rule['CONDITION'], $path)) {
        parse_str(preg_replace($rule['CONDITION'], $rule['RULE'], $path), $values);
        $_GET = [...$_GET, ...$values];
        require $_SERVER['DOCUMENT_ROOT'] . $rule['PATH'];
        return;
    }
}
require $_SERVER['DOCUMENT_ROOT'] . '/404.php';
