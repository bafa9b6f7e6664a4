'use strict';
// Both ends of a WebSocket exchange; for Node (module `ws`, its browser-like interface) and for a page alike.

const LARGEST = 1 << 20;
const QUEUE_LIMIT = 2 << 20;  // bytes given to a socket and not sent yet

// mulberry32: a small generator of numbers in [0, 1) from a seed.
function generator(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

// What messages are cut from.
const BYTES = (() => {
  const random = generator(1);
  return Uint8Array.from({length: 2 * LARGEST}, () => Math.floor(random() * 256));
})();
const TEXT = (() => {
  const random = generator(2);
  const characters = 'abcdefghijklmnopqrstuvwxyz 0123456789\u0000\n"\\éßñ€日本\u2028';
  return Array.from({length: LARGEST}, () => characters[Math.floor(random() * characters.length)]).join('');
})();

// Small ones mostly; every exchange has one of 1 byte and one of 1 MiB.
function sizeOf(random, number) {
  if (number === 0) return 1;
  if (number === 1) return LARGEST;
  const kind = random();
  const limits = [[0.6, 1, 200], [0.85, 200, 16384], [0.98, 16384, 131072], [1, 131072, LARGEST]];
  const [, low, high] = limits.find(([share]) => kind < share);
  return low + Math.floor(random() * (high - low));
}

// `count` messages: text (a string) and binary (a Uint8Array), 1 byte to 1 MiB.
function* messages(seed, count) {
  const random = generator(seed);
  for (let number = 0; number < count; ++number) {
    const size = sizeOf(random, number);
    const at = Math.floor(random() * LARGEST);
    if (number < 2 || random() < 0.5) {
      yield BYTES.subarray(at, at + size);
    } else {
      const characters = Math.ceil(size / 3);  // at most 3 bytes each
      const from = Math.min(at, LARGEST - characters);
      yield TEXT.slice(from, from + characters);
    }
  }
}

// A sum over messages in their order: the hash of the hashes of each one with its type.
class Tally {
  constructor() {
    this.count = 0;
    this.bytes = 0;
    this.hashes = [];
  }

  add(message) {
    const text = typeof message === 'string';
    const data = text ? new TextEncoder().encode(message) : new Uint8Array(message);
    const typed = new Uint8Array(data.length + 1);
    typed[0] = text ? 1 : 2;
    typed.set(data, 1);
    this.count += 1;
    this.bytes += data.length;
    this.hashes.push(globalThis.crypto.subtle.digest('SHA-256', typed));
  }

  async sum() {
    const hashes = await Promise.all(this.hashes);
    const joined = new Uint8Array(32 * hashes.length);
    hashes.forEach((hash, i) => joined.set(new Uint8Array(hash), 32 * i));
    const digest = new Uint8Array(await globalThis.crypto.subtle.digest('SHA-256', joined));
    const sha256 = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
    return {count: this.count, bytes: this.bytes, sha256};
  }
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

// Sends `count` messages and receives as many, at the same time. Both ends call it, each with a seed of its own. A
// client calls it before its socket is open: messages may come with the handshake's answer.
async function exchange(socket, seed, count) {
  const sent = new Tally();
  const received = new Tally();
  socket.binaryType = 'arraybuffer';
  const everything = new Promise((resolve, reject) => {
    socket.onmessage = (event) => {
      received.add(event.data);
      if (received.count === count) resolve();
    };
    socket.onclose = (event) => reject(new Error(`closed with ${event.code} after ${received.count} messages`));
  });
  if (socket.readyState === 0) await Promise.race([everything, new Promise((resolve) => (socket.onopen = resolve))]);
  const sending = (async () => {
    for (const message of messages(seed, count)) {
      while (socket.bufferedAmount > QUEUE_LIMIT) await pause(1);
      sent.add(message);
      socket.send(message);
    }
  })();
  await Promise.all([everything, sending]);
  return {sent: await sent.sum(), received: await received.sum()};
}

if (typeof module !== 'undefined') module.exports = {Tally, exchange, pause};
