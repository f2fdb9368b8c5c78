// The worked example of docs/protocol.md, byte for byte, with and without WebCrypto; and every way to spoil its reply.
import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { EncryptionError, SealedReplyReader, sealRequest, solveWork, TacitClient } from '../dist/index.js';
import { concat, fromUtf8, fromBase64Url, toBase64Url, uint, utf8, Utf8Decoder } from '../dist/bytes.js';
import { padded } from '../dist/request.js';

const example = JSON.parse(readFileSync(new URL('../../../docs/sealed-chat-example.json', import.meta.url), 'utf8'));
const bytes = (text) => Uint8Array.from(Buffer.from(text, 'base64url'));
const config = bytes(example.config);
const key = { id: config[0], config, publicKey: config.slice(3, 35) };
const secret = () => ({
  requestId: bytes(example.request.request_id), encapsulatedKey: bytes(example.request.encapsulated_key), secret: bytes(example.reply_secret),
});
const [head, chunk, final] = example.reply.split('\n\n');
const join = (...events) => events.map((event) => `${event}\n\n`).join('');

async function replay() {
  const sealed = await sealRequest(
    key, utf8(example.inner), example.request.timestamp, bytes(example.request.request_id), bytes(example.ephemeral_private_key));
  assert.deepEqual(sealed.envelope, example.request);
  assert.equal(toBase64Url(sealed.reply.secret), example.reply_secret);
  assert.equal(createHash('sha256').update(padded(utf8(example.inner))).digest('base64url'), example.plaintext_sha256);
}

test('The worked example replays byte for byte', replay);

test('It does so without WebCrypto', async () => {
  const kept = Object.getOwnPropertyDescriptor(globalThis, 'crypto');
  delete globalThis.crypto;
  try {
    assert.equal(globalThis.crypto, undefined);
    await replay();
  } finally {
    Object.defineProperty(globalThis, 'crypto', kept);
  }
});

test('Its reply opens in pieces of any size', () => {
  for (const size of [1, 7, 100, example.reply.length]) {
    const reader = new SealedReplyReader(secret());
    let body = '';
    for (let at = 0; at < example.reply.length; at += size) {
      const pushed = reader.push(example.reply.slice(at, at + size));
      assert.equal(pushed.failure, null);
      body += pushed.body.map((piece) => fromUtf8(piece)).join('');
    }
    reader.complete();
    assert.equal(body, '{"id":"chatcmpl-1","object":"chat.completion"}');
    assert.deepEqual(reader.head, { status: 200, headers: { 'content-type': 'application/json', 'tacit-token': 'spent' } });
    assert.deepEqual(reader.trailers, { 'tacit-renewal': 'AAAA' });
  }
});

const flip = (event, at) => event.slice(0, at) + (event[at] === 'A' ? 'B' : 'A') + event.slice(at + 1);
const data = (event) => event.indexOf('data: ') + 6;
const spoiled = {
  'without final': [join(head, chunk), 'reply-truncated'],
  'cut in final': [join(head, chunk) + final, 'reply-truncated'],
  'nothing at all': ['', 'reply-truncated'],
  'the first bit changed': [join(head, flip(chunk, data(chunk)), final), 'chunk-unopenable'],
  'the tag changed': [join(head, flip(chunk, chunk.length - 3), final), 'chunk-unopenable'],
  'shortened': [join(head, `event: chunk\ndata: ${toBase64Url(bytes(chunk.slice(data(chunk))).slice(0, -1))}`, final), 'chunk-unopenable'],
  'out of order': [join(head, final.replace('final', 'chunk'), chunk.replace('chunk', 'final')), 'chunk-unopenable'],
  'a chunk left out': [join(head, final), 'chunk-unopenable'],
  'a chunk twice': [join(head, chunk, chunk, final), 'chunk-unopenable'],
  'a chunk called final': [join(head, chunk.replace('chunk', 'final')), 'chunk-unopenable'],
  'final called a chunk': [join(head, chunk, final.replace('final', 'chunk')), 'chunk-unopenable'],
  'another nonce': [join(head.replace('RERE', 'RERF'), chunk, final), 'chunk-unopenable'],
  'another request': [join(head.replace('MzMz', 'MzM0'), chunk, final), 'other-request'],
  'the head twice': [join(head, head, chunk, final), 'reply-malformed'],
  'no head': [join(chunk, final), 'reply-malformed'],
  'an unknown event': [join(head, 'event: more\ndata: AAAA'), 'reply-malformed'],
  'another field': [join(head, `id: 1\n${chunk}`, final), 'reply-malformed'],
  'padded base64': [join(head, `${chunk}=`, final), 'reply-malformed'],
  'a line without end': [`${join(head)}data: ${'A'.repeat(30_000)}`, 'reply-malformed'],
  'final twice': [join(head, chunk, final, final), 'reply-continued'],
  'a chunk behind final': [join(head, chunk, final, chunk), 'reply-continued'],
  'text behind final': [`${join(head, chunk, final)}hello`, 'reply-continued'],
};
for (const [name, [text, failure]] of Object.entries(spoiled)) {
  test(`A reply is refused: ${name}`, () => {
    const reader = new SealedReplyReader(secret());
    const pushed = reader.push(text);
    assert.throws(() => reader.complete(), (error) => error instanceof EncryptionError && error.kind === 'encryption' && error.failure === failure);
    if (pushed.failure !== null) assert.equal(pushed.failure.failure, failure);
    // For ever.
    assert.notEqual(reader.push(join(chunk, final)).failure, pushed.failure === null ? undefined : null);
  });
}

test('Comments and CRLF are taken', () => {
  const reader = new SealedReplyReader(secret());
  reader.push(`: hello\n\n${example.reply.replace(/\n/g, '\r\n')}: bye\n\n`);
  reader.complete();
});

test('UTF-8 and base64url are as everywhere else', () => {
  const text = 'a\u00e9\u20ac\u{1f600}\u0000z';
  assert.deepEqual(Buffer.from(utf8(text)), Buffer.from(text));
  const decoder = new Utf8Decoder();
  assert.equal([...Buffer.from(text)].map((byte) => decoder.push(Uint8Array.of(byte))).join('') + decoder.end(), text);
  for (const hex of ['ff', 'c0af', 'e282', 'eda080', 'f0808080', 'f4908080', 'e28261', 'f09f98', 'c3c3a9']) {
    const broken = Uint8Array.from(Buffer.from(hex, 'hex'));
    assert.equal(fromUtf8(broken), new TextDecoder('utf-8', { ignoreBOM: true }).decode(broken), hex);
  }
  for (let size = 0; size < 10; size++) {
    const some = Uint8Array.from({ length: size }, (_, at) => 255 - at * 7);
    assert.equal(toBase64Url(some), Buffer.from(some).toString('base64url'));
    assert.deepEqual(fromBase64Url(toBase64Url(some)), some);
  }
  for (const bad of ['A', 'AB', 'AA=', 'A+==', 'AA\n', 'A/AA']) assert.equal(fromBase64Url(bad), null, bad);
});

test('A stamp has the bits and is of the request', async () => {
  const work = { challenge: new Uint8Array(16).fill(7), bits: 10, until: 0 };
  const digest = new Uint8Array(32).fill(9);
  const stamp = await solveWork(work, digest, new Uint8Array(8).fill(255), 10);
  const [challenge, counter] = stamp.split('.').map((part) => Buffer.from(part, 'base64url'));
  const hash = createHash('sha256').update('tacit work v1').update(challenge).update(digest).update(counter).digest();
  assert.equal(hash.readUInt16BE() >> 6, 0);
  await assert.rejects(solveWork({ ...work, bits: 11 }, digest, new Uint8Array(8), 10), { kind: 'unsupported' });
});

const start = 1_800_000_000;
const day = 86_400;

/** A directory key, and what signs keys with it. */
function directory() {
  const pair = generateKeyPairSync('ed25519');
  const directoryKey = new Uint8Array(pair.publicKey.export({ format: 'der', type: 'spki' }).subarray(-32));
  const statement = (id, fill, from) => {
    const config = Uint8Array.from([id, 0, 0x20, ...new Uint8Array(32).fill(fill), 0, 12, 0, 1, 0, 3, 0, 1, 0, 1, 0, 1, 0, 2]);
    const name = utf8('gateway.test');
    const message = concat(
      utf8('tacit sealing key v1'), new Uint8Array(1), uint(name.length, 1), name, uint(config.length, 2), config, uint(from, 8), uint(from + day, 8), new Uint8Array(1));
    return { config: toBase64Url(config), not_before: from, not_after: from + day, signature: sign(null, message, pair.privateKey).toString('base64url') };
  };
  return { directoryKey, statement };
}

test('A key document that contradicts the one before is refused, and one that goes on is taken', async () => {
  const { directoryKey, statement } = directory();
  let keys = [];
  let now = start;
  const client = new TacitClient({
    url: 'http://gateway.test', gateway: 'gateway.test', directoryKey, now: () => now * 1000,
    transport: { send: async () => ({ status: 200, header: () => null, text: (async function* () { yield JSON.stringify({ gateway: 'gateway.test', server_time: now * 1000, keys }); })() }) },
  });
  keys = [statement(1, 1, start), statement(2, 2, start + day)];
  assert.deepEqual((await client.keys()).map(({ id }) => id), [1, 2]);
  keys = [statement(3, 3, start), statement(2, 2, start + day)];
  await assert.rejects(client.keys({ refresh: true }), (error) => error instanceof EncryptionError && error.failure === 'key-untrusted');
  assert.deepEqual((await client.keys()).map(({ id }) => id), [1, 2]);
  now += day;
  keys = [statement(2, 2, start + day), statement(3, 3, start + 2 * day)];
  assert.deepEqual((await client.keys({ refresh: true })).map(({ id }) => id), [2, 3]);
});

test('A clock that somebody on the way tells is followed for an hour at most, so that nothing is dated far ahead', async () => {
  const { directoryKey, statement } = directory();
  const sent = [];
  for (const [said, times] of [[start + 1800, 2], [start + 7200, 1], [start - 7200, 1]]) {
    sent.length = 0;
    const client = new TacitClient({
      url: 'http://gateway.test', gateway: 'gateway.test', directoryKey, now: () => start * 1000,
      transport: {
        send: async ({ url, body }) => {
          const isChat = url.endsWith('/api/chat');
          if (isChat) sent.push(JSON.parse(body).timestamp);
          const answer = isChat
            ? { error: { code: 'timestamp_out_of_window', message: '', server_time: said * 1000 } }
            : { gateway: 'gateway.test', server_time: start * 1000, keys: [statement(1, 9, start)] };
          return { status: isChat ? 400 : 200, header: () => null, text: (async function* () { yield JSON.stringify(answer); })() };
        },
      },
    });
    await assert.rejects(client.chat({ model: 'm', messages: [] }), { kind: 'gateway', code: 'timestamp_out_of_window' });
    assert.deepEqual(sent, [start * 1000, said * 1000].slice(0, times));
  }
});
