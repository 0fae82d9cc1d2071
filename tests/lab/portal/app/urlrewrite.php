<?php
// SPDX-FileCopyrightText: boxlift.portal contributors
// SPDX-License-Identifier: GPL-3.0-or-later

$arUrlRewrite = [
    [
        'CONDITION' => '#^/rest/#',
        'RULE' => '',
        'PATH' => '/bitrix/services/rest/index.php',
    ],
    [
        'CONDITION' => '#^/disk/downloadFile/([0-9]+)/#',
        'RULE' => 'objectId=$1',
        'PATH' => '/bitrix/services/disk/index.php',
    ],
    [
        'CONDITION' => '#^/company/personal/user/([0-9]+)/#',
        'RULE' => 'user_id=$1',
        'PATH' => '/company/personal.php',
    ],
];
