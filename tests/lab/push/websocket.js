// SPDX-FileCopyrightText: boxlift.portal contributors
// SPDX-License-Identifier: GPL-3.0-or-later
'use strict';
// The server's side of WebSocket (RFC 6455): handshake, unfragmented text out, control frames in both directions.

const crypto = require('node:crypto');

const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;
const MAGIC = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

function frame(opcode, payload) {
  const data = Buffer.from(payload);
  if (data.length < 126) {
    return Buffer.concat([Buffer.from([0x80 | opcode, data.length]), data]);
  }
  const head = Buffer.alloc(data.length < 65536 ? 4 : 10);
  head[0] = 0x80 | opcode;
  if (data.length < 65536) {
    head[1] = 126;
    head.writeUInt16BE(data.length, 2);
  } else {
    head[1] = 127;
    head.writeBigUInt64BE(BigInt(data.length), 2);
  }
  return Buffer.concat([head, data]);
}

// One frame of a client, whose payload is always masked; null where it has not all arrived.
function read(buffer) {
  if (buffer.length < 6) {
    return null;
  }
  let [length, start] = [buffer[1] & 0x7f, 2];
  if (length === 126) {
    [length, start] = [buffer.readUInt16BE(2), 4];
  } else if (length === 127) {
    if (buffer.length < 14) {
      return null;
    }
    [length, start] = [Number(buffer.readBigUInt64BE(2)), 10];
  }
  if (buffer.length < start + 4 + length) {
    return null;
  }
  const mask = buffer.subarray(start, start + 4);
  const payload = buffer.subarray(start + 4, start + 4 + length).map((byte, index) => byte ^ mask[index % 4]);
  return { opcode: buffer[0] & 0x0f, payload, rest: buffer.subarray(start + 4 + length) };
}

function refuse(socket, status, text) {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: ${text.length}\r\n\r\n${text}`);
}

// Answers the handshake and the client's control frames; gives a function that sends a text.
function accept(request, socket, head, pingSeconds) {
  const key = request.headers['sec-websocket-key'] || '';
  const proof = crypto.createHash('sha1').update(key + MAGIC).digest('base64');
  socket.setNoDelay(true);
  socket.write(
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      `Sec-WebSocket-Accept: ${proof}\r\n\r\n`,
  );
  let waiting = Buffer.from(head);
  const take = (data) => {
    waiting = Buffer.concat([waiting, data]);
    for (let got = read(waiting); got !== null; got = read(waiting)) {
      waiting = got.rest;
      if (got.opcode === CLOSE) {
        socket.end(frame(CLOSE, got.payload));
      } else if (got.opcode === PING) {
        socket.write(frame(PONG, got.payload));
      }
    }
  };
  take(Buffer.alloc(0));
  socket.on('data', take);
  socket.on('error', (problem) => console.error(`WebSocket: ${problem.message}`));
  const pings = setInterval(() => socket.write(frame(PING, '')), pingSeconds * 1000);
  socket.on('close', () => clearInterval(pings));
  return (text) => socket.write(frame(TEXT, text));
}

module.exports = { accept, refuse };
