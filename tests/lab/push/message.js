// SPDX-FileCopyrightText: boxlift.portal contributors
// SPDX-License-Identifier: GPL-3.0-or-later
'use strict';
// A message, and how it is put to a client.

// The id of a message grows: seconds in 10 digits, the message's number in 16.
function make(number, text, lifetime) {
  const now = Date.now();
  return {
    id: number,
    mid: String(Math.floor(now / 1000)).padStart(10, '0') + String(number).padStart(16, '0'),
    tag: String(number % 1000).padStart(3, '0'),
    time: new Date(now).toUTCString(),
    expires: now + lifetime * 1000,
    text,
  };
}

// The published body is JSON already, and goes out as it came.
function json(message) {
  const head = { id: message.id, mid: message.mid, channel: '-', tag: message.tag, time: message.time };
  return `${JSON.stringify(head).slice(0, -1)},"text":${message.text}}`;
}

function render(messages, asJson) {
  const texts = messages.map(json);
  return asJson ? `[${texts.join(',')}]` : texts.map((text) => `#!NGINXNMS!#${text}#!NGINXNME!#`).join('');
}

// Those of many channels in their order, each once.
function newer(messages, mid) {
  const now = Date.now();
  const wanted = messages.filter((message) => message.mid > mid && message.expires > now);
  const byId = new Map(wanted.map((message) => [message.mid, message]));
  return [...byId.values()].sort((left, right) => (left.mid < right.mid ? -1 : 1));
}

module.exports = { make, render, newer };
