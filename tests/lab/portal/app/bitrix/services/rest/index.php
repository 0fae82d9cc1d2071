<?php
// SPDX-FileCopyrightText: boxlift.portal contributors
// SPDX-License-Identifier: GPL-3.0-or-later

declare(strict_types=1);

// The REST interface. Its methods are a program beside the portal (tests/lab/crm) that works on the portal's tables.
// It is asked the same way, and what it says is the answer. No session, no agents: programs ask, not people.
$answerer = getenv('LAB_CRM') ?: 'http://127.0.0.1:8091';
const SECONDS = 300;

$headers = ['Connection: close', 'X-Real-IP: ' . ($_SERVER['REMOTE_ADDR'] ?? '')];
$given = ['Host' => 'HTTP_HOST', 'Content-Type' => 'CONTENT_TYPE', 'Authorization' => 'HTTP_AUTHORIZATION'];
foreach ($given as $name => $variable) {
    if (($_SERVER[$variable] ?? '') !== '') {
        $headers[] = "$name: $_SERVER[$variable]";
    }
}
$answer = @file_get_contents($answerer . $_SERVER['REQUEST_URI'], false, stream_context_create(['http' => [
    'method' => $_SERVER['REQUEST_METHOD'],
    'header' => $headers,
    'content' => file_get_contents('php://input'),
    'ignore_errors' => true,
    'follow_location' => 0,
    'timeout' => SECONDS,
]]));
$lines = $http_response_header ?? [];
if ($answer === false || !preg_match('#^HTTP/\S+ (\d+)#', $lines[0] ?? '', $status)) {
    http_response_code(500);
    header('Content-Type: application/json; charset=utf-8');
    echo json_encode(['error' => 'INTERNAL_SERVER_ERROR', 'error_description' => 'Nobody answers for the REST interface']);
    return;
}
http_response_code((int)$status[1]);
foreach ($lines as $line) {
    if (preg_match('#^Content-(Type|Disposition):#i', $line)) {
        header($line);
    }
}
echo $answer;
