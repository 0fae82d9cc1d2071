// SPDX-FileCopyrightText: boxlift.portal contributors
// SPDX-License-Identifier: GPL-3.0-or-later
'use strict';
// As much of Redis's protocol as is needed: commands with their answers, and pushed messages.

const { EventEmitter } = require('node:events');
const net = require('node:net');

const RETRY_MS = 500;

// One value from the buffer and where the next one begins; null where it has not all arrived.
function read(buffer, start) {
  const end = buffer.indexOf('\r\n', start);
  if (end < 0) {
    return null;
  }
  const [kind, line, next] = [String.fromCharCode(buffer[start]), buffer.toString('utf8', start + 1, end), end + 2];
  if (kind === '+') {
    return { value: line, next };
  }
  if (kind === '-') {
    return { value: new Error(`Redis: ${line}`), next };
  }
  if (kind === ':') {
    return { value: Number(line), next };
  }
  const length = Number(line);
  if (length < 0) {
    return { value: null, next };
  }
  if (kind === '$') {
    if (buffer.length < next + length + 2) {
      return null;
    }
    return { value: buffer.toString('utf8', next, next + length), next: next + length + 2 };
  }
  const items = [];
  let position = next;
  for (let index = 0; index < length; index += 1) {
    const item = read(buffer, position);
    if (item === null) {
      return null;
    }
    items.push(item.value);
    position = item.next;
  }
  return { value: items, next: position };
}

// One connection, made again whenever it is lost. Emits `connected`, and `message` on a subscribed one.
class Redis extends EventEmitter {
  constructor(target) {
    super();
    this.target = target;
    this.waiting = [];
    this.connect();
  }

  connect() {
    let rest = Buffer.alloc(0);
    this.socket = net.connect(this.target);
    this.socket.on('connect', () => this.emit('connected'));
    this.socket.on('data', (data) => {
      rest = Buffer.concat([rest, data]);
      for (let found = read(rest, 0); found !== null; found = rest.length > 0 ? read(rest, 0) : null) {
        rest = rest.subarray(found.next);
        this.take(found.value);
      }
    });
    this.socket.on('error', (problem) => console.error(`Redis: ${problem.message}`));
    this.socket.on('close', () => {
      this.waiting.splice(0).forEach(({ reject }) => reject(new Error('Redis: the connection was lost')));
      setTimeout(() => this.connect(), RETRY_MS);
    });
  }

  take(value) {
    if (Array.isArray(value) && value[0] === 'message') {
      this.emit('message', value[2]);
      return;
    }
    const { resolve, reject } = this.waiting.shift();
    (value instanceof Error ? reject : resolve)(value);
  }

  call(...words) {
    if (this.socket.readyState !== 'open') {
      return Promise.reject(new Error('Redis: there is no connection'));
    }
    const parts = words.map((word) => `$${Buffer.byteLength(String(word))}\r\n${word}\r\n`);
    this.socket.write(`*${words.length}\r\n${parts.join('')}`);
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject });
    });
  }
}

module.exports = { Redis };
