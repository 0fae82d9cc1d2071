<?php
// SPDX-FileCopyrightText: boxlift.portal contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// A page of the large portal: with POST somebody orders, with GET somebody looks at what another one does.

declare(strict_types=1);

namespace Boxlift\Fixture;

require $_SERVER['DOCUMENT_ROOT'] . '/bitrix/modules/main/include/prolog_before.php';
Page::requireLogin();

if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    Database::query('START TRANSACTION');
    Database::query('INSERT INTO bench_order (MADE, TEXT) VALUES (NOW(), ?)', [(string)($_POST['text'] ?? '')]);
    $order = Database::value('SELECT LAST_INSERT_ID()');
    foreach (['bread', 'butter', 'jam'] as $line) {
        Database::query('INSERT INTO bench_line (ORDER_ID, TEXT) VALUES (?, ?)', [$order, $line]);
    }
    Database::query('COMMIT');
    Page::frame('Order', "<p>$order</p>");
    exit;
}
$rows = [];
for ($number = 0; $number < 5; $number++) {
    $table = sprintf('bench_%03d', random_int(0, 199));
    $sql = "SELECT * FROM $table WHERE PERSON_ID = ? ORDER BY CHANGED DESC LIMIT 20";
    array_push($rows, ...Database::query($sql, [random_int(0, 999)]));
}
$text = implode("\n", array_map(static fn(array $row): string => '<li>' . Page::text($row['TEXT']), $rows));
Page::frame('News', "<ul>\n$text</ul>");
