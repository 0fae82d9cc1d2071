// SPDX-FileCopyrightText: boxlift.portal contributors
// SPDX-License-Identifier: GPL-3.0-or-later
'use strict';
// Channel ids: 32 hex digits, with a public id behind a colon where there is one, and a signature behind a dot.

const crypto = require('node:crypto');

const FORM = /^([a-f0-9]{32})(?::([a-f0-9]{32}))?(?:\.([a-f0-9]+))?$/;

function hmac(security, text) {
  return crypto.createHmac(security.algo, security.key).update(text).digest('hex');
}

function same(left, right) {
  const [one, other] = [Buffer.from(left), Buffer.from(right)];
  return one.length === other.length && crypto.timingSafeEqual(one, other);
}

// The channels of a CHANNEL_ID, or null where one of them is none.
function parse(text, limits) {
  const parts = (text || '').split('/').filter((part) => part !== '');
  const found = parts.map((part) => FORM.exec(part));
  if (parts.length > limits.maxChannelsPerRequest || found.includes(null)) {
    return null;
  }
  return found.map(([, id, publicId, signature]) => ({ id, publicId, signature }));
}

function isSigned(channel, security) {
  if (!security.key) {
    return channel.publicId === undefined;
  }
  const text = channel.publicId ? `${channel.id}:${channel.publicId}` : channel.id;
  return channel.signature !== undefined && same(channel.signature, hmac(security, text));
}

function isPublicSignature(publicId, signature, security) {
  return typeof signature === 'string' && same(signature, hmac(security, `public:${publicId}`));
}

module.exports = { parse, isSigned, isPublicSignature };
