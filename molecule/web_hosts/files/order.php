<?php
// SPDX-FileCopyrightText: boxlift.portal contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// A look, or an order with a number of its own.

declare(strict_types=1);

namespace Boxlift\Fixture;

require $_SERVER['DOCUMENT_ROOT'] . '/bitrix/modules/main/include/prolog_before.php';

header('Content-Type: text/plain');
if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    Database::query('INSERT INTO lab_orders (number, host) VALUES (?, ?)', [(int)$_POST['number'], gethostname()]);
    echo 'ordered ', (int)$_POST['number'], ' ', gethostname();
} else {
    echo 'seen ', Database::value('SELECT COUNT(*) FROM b_user'), ' ', gethostname();
}
