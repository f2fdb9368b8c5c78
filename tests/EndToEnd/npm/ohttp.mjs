// An independent client of Oblivious HTTP: binary HTTP by bhttp-js, HPKE by @hpke/core, the rest as RFC 9458 and draft-ietf-ohai-chunked-ohttp say.
// Usage: node ohttp.mjs GATEWAY AUTHORIZATION MODEL    (prints one JSON line)
import { BHttpDecoder, BHttpEncoder } from 'bhttp-js';
import { Aes128Gcm, CipherSuite, HkdfSha256 } from '@hpke/core';
import { DhkemX25519HkdfSha256 } from '@hpke/dhkem-x25519';

const [gateway, authorization, model] = process.argv.slice(2);
const text = new TextEncoder();
const { subtle } = globalThis.crypto;
const suite = new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes128Gcm() });
const algorithms = Buffer.from('00010001', 'hex'); // HKDF-SHA256, AES-128-GCM

// The first key of the list that is an X25519 one (RFC 9458, section 3).
const list = Buffer.from(await (await fetch(new URL('/.well-known/ohttp-gateway', gateway))).arrayBuffer());
let key;
for (let at = 0; at < list.length && !key; at += 2 + list.readUInt16BE(at)) {
  const config = list.subarray(at + 2, at + 2 + list.readUInt16BE(at));
  if (config.readUInt16BE(1) === 0x20 && config.subarray(37).indexOf(algorithms) >= 0) key = config;
}
const header = Buffer.concat([key.subarray(0, 3), algorithms]);

async function seal(message, chunked) {
  const info = Buffer.concat([text.encode(`message/bhttp ${chunked ? 'chunked ' : ''}request`), Buffer.from([0]), header]);
  const recipientPublicKey = await suite.kem.importKey('raw', Uint8Array.from(key.subarray(3, 35)).buffer, true);
  const sender = await suite.createSenderContext({ recipientPublicKey, info: Uint8Array.from(info).buffer });
  const parts = [header, Buffer.from(sender.enc)];
  if (chunked) {
    // Two chunks: the first half, then the rest, which is the last one and has no length.
    const half = message.length >> 1;
    const first = Buffer.from(await sender.seal(message.slice(0, half).buffer));
    const length = Buffer.alloc(2);
    length.writeUInt16BE(0x4000 | first.length);
    parts.push(length, first, Buffer.from([0]), Buffer.from(await sender.seal(message.slice(half).buffer, text.encode('final').buffer)));
  } else {
    parts.push(Buffer.from(await sender.seal(message.buffer)));
  }
  return { sender, body: Buffer.concat(parts) };
}

async function open(sender, response, chunked) {
  const secret = Buffer.from(await sender.export(text.encode(`message/bhttp ${chunked ? 'chunked ' : ''}response`).buffer, 16));
  const salt = Buffer.concat([Buffer.from(sender.enc), response.subarray(0, 16)]);
  const ikm = await subtle.importKey('raw', secret, 'HKDF', false, ['deriveBits']);
  const derive = (name, bits) => subtle.deriveBits({ name: 'HKDF', hash: 'SHA-256', salt, info: text.encode(name) }, ikm, bits);
  const aead = await subtle.importKey('raw', await derive('key', 128), 'AES-GCM', false, ['decrypt']);
  const nonce = Buffer.from(await derive('nonce', 96));
  const decrypt = async (data, number, aad) => {
    const iv = Buffer.from(nonce);
    iv.writeUInt32BE((iv.readUInt32BE(8) ^ number) >>> 0, 8);
    return Buffer.from(await subtle.decrypt({ name: 'AES-GCM', iv, additionalData: text.encode(aad) }, aead, data));
  };
  if (!chunked) return { message: await decrypt(response.subarray(16), 0, ''), sizes: [] };
  const parts = [];
  for (let at = 16, number = 0; ; number++) {
    const size = 1 << (response[at] >> 6);
    let length = response[at] & 0x3f;
    for (let i = 1; i < size; i++) length = length * 256 + response[at + i];
    at += size;
    if (length === 0) {
      parts.push(await decrypt(response.subarray(at), number, 'final'));
      return { message: Buffer.concat(parts), sizes: parts.map((part) => part.length) };
    }
    parts.push(await decrypt(response.subarray(at, at + length), number, ''));
    at += length;
  }
}

async function ask(request, chunked) {
  const encoded = await new BHttpEncoder().encodeRequest(request);
  const padded = new Uint8Array([256, 1024, 4096].find((size) => size >= encoded.length));
  padded.set(encoded);
  const { sender, body } = await seal(padded, chunked);
  const answer = await fetch(new URL('/ohttp', gateway), {
    method: 'POST', body, headers: { 'content-type': chunked ? 'message/ohttp-chunked-req' : 'message/ohttp-req' },
  });
  const bytes = Buffer.from(await answer.arrayBuffer());
  if (answer.status !== 200) throw new Error(`${answer.status} ${bytes}`);
  const { message, sizes } = await open(sender, bytes, chunked);
  const inner = new BHttpDecoder().decodeResponse(Uint8Array.from(message));
  return { outer: answer.headers.get('content-type'), status: inner.status, type: inner.headers.get('content-type'), text: await inner.text(), sizes };
}

const prompt = (stream) => new Request('https://gateway.test/v1/chat/completions', {
  method: 'POST',
  headers: { authorization, 'content-type': 'application/json' },
  body: JSON.stringify({ model, messages: [{ role: 'user', content: 'What did you see of me?' }], ...(stream ? { stream } : {}) }),
});
const models = await ask(new Request('https://gateway.test/v1/models'), false);
const stream = await ask(prompt(true), true);
const again = await ask(prompt(true), false);
const events = (body) => body.split('\n\n').filter((part) => part && !part.startsWith(':'));
console.log(JSON.stringify({
  models: JSON.parse(models.text).data.map((one) => one.id),
  modelsType: models.outer,
  status: stream.status,
  type: stream.type,
  streamType: stream.outer,
  sizes: stream.sizes,
  whole: events(stream.text).at(-1) === 'data: [DONE]',
  sameAgain: events(again.text).join() === events(stream.text).join(),
}));
