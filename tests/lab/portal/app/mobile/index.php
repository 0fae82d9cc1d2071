<?php
// SPDX-FileCopyrightText: boxlift.portal contributors
// SPDX-License-Identifier: GPL-3.0-or-later

declare(strict_types=1);

namespace Boxlift\Fixture;

require $_SERVER['DOCUMENT_ROOT'] . '/bitrix/modules/main/include/prolog_before.php';
Page::requireHeaderLogin('Bitrix24');
header('Content-Type: application/json; charset=UTF-8');
echo json_encode(['status' => 'success', 'user_id' => User::id(), 'host' => Site::hostUrl()]);
