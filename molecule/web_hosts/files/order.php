<?php
// SPDX-FileCopyrightText: boxlift.portal contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// A look, or an order with a number of its own, and a paper among the uploads.

declare(strict_types=1);

namespace Boxlift\Fixture;

require $_SERVER['DOCUMENT_ROOT'] . '/bitrix/modules/main/include/prolog_before.php';

header('Content-Type: text/plain');
if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    Database::query('INSERT INTO lab_orders (number, host) VALUES (?, ?)', [(int)$_POST['number'], gethostname()]);
    // An order has a paper, which is on the share before anything is confirmed.
    $paper = fopen($_SERVER['DOCUMENT_ROOT'] . '/upload/lab-orders/' . (int)$_POST['number'], 'x');
    if (!$paper || fwrite($paper, (string)(int)$_POST['number']) === false || !fsync($paper) || !fclose($paper)) {
        http_response_code(500);
        exit('no paper');
    }
    echo 'ordered ', (int)$_POST['number'], ' ', gethostname();
} else {
    echo 'seen ', Database::value('SELECT COUNT(*) FROM b_user'), ' ', gethostname();
}
