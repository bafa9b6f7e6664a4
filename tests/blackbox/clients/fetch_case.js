'use strict';
// One planned request by the Fetch standard; for Node and for a page alike.

function bodyOf(case_) {
  const pattern = Uint8Array.from(atob(case_.body.pattern), (char) => char.charCodeAt(0));
  const bytes = new Uint8Array(case_.body.size);
  for (let at = 0; at < bytes.length; at += pattern.length) {
    bytes.set(pattern.subarray(0, Math.min(pattern.length, bytes.length - at)), at);
  }
  return bytes;
}

function piecesOf(bytes, count) {
  const size = Math.max(1, Math.floor(bytes.length / count));
  const pieces = [];
  for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size));
  return pieces;
}

function formOf(case_) {
  const {form, encoding} = case_.options;
  if (encoding === 'urlencoded') return new URLSearchParams(form);
  const data = new FormData();
  form.forEach(([name, value], i) => {
    if (i % 2) data.append(name, new Blob([value]), 'é.bin');
    else data.append(name, value);
  });
  return data;
}

async function sha256(bytes) {
  const digest = await globalThis.crypto.subtle.digest('SHA-256', bytes);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

async function fetchCase(origin, case_) {
  const redirect = case_.options.follow ? 'follow' : 'manual';
  const init = {method: case_.method, headers: case_.fields, redirect};
  if (case_.options.form) {
    init.body = formOf(case_);
  } else if (case_.body) {
    init.body = bodyOf(case_);
    if (case_.options.pieces) {
      const pieces = piecesOf(init.body, case_.options.pieces);
      init.body = new ReadableStream({
        pull(controller) {
          if (pieces.length) controller.enqueue(pieces.shift());
          else controller.close();
        },
      });
      init.duplex = 'half';
    }
  }
  const response = await fetch(origin + case_.target, init);
  const body = await response.arrayBuffer();
  const head = {status: response.status, reason: response.statusText, fields: [...response.headers]};
  return {...head, size: body.byteLength, sha256: await sha256(body)};
}

// Performs all cases, `parallel` at a time, each with `perform`; `report` gets one result each.
async function performAll(cases, parallel, perform, report) {
  let next = 0;
  async function one() {
    while (next < cases.length) {
      const case_ = cases[next++];
      let result;
      try {
        result = await perform(case_);
      } catch (error) {
        result = {error: `${error} ${error.cause || ''}`};
      }
      await report({name: case_.name, ...result});
    }
  }
  await Promise.all(Array.from({length: parallel}, one));
}

if (typeof module !== 'undefined') module.exports = {bodyOf, piecesOf, fetchCase, sha256, performAll};
