// Against a running gateway, which TACIT_GATEWAY names: {"url", "gateway", "directoryKey", "model", "certificate", "key", "fingerprint"}.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { request } from 'node:http';
import { after, before, test } from 'node:test';
import { EncryptionError, fetchTransport, MemoryKeyStore, TacitClient } from 'tacit-client';
import { pinnedTransport } from 'tacit-client/node';
import { ended, run, thrown } from './scenarios.mjs';
import { EXPECTED, spoilingProxy } from './spoiling.mjs';

const target = JSON.parse(process.env.TACIT_GATEWAY);
const chat = { model: target.model, messages: [{ role: 'user', content: 'Hello' }] };
const store = new MemoryKeyStore();
let proxy;

const client = (options = {}) => new TacitClient({ ...target, url: proxy.url, device: true, keyStore: store, ...options });

before(async () => {
  proxy = await spoilingProxy(target.url);
  await client().registerDevice();
});
after(() => proxy.close());

export function check(seen) {
  const { device, pieces, words, ...rest } = seen;
  assert.equal(device.length, 43);
  assert.ok(pieces > 3 && words.length > 20, words);
  assert.deepEqual(rest, {
    status: 200, type: 'text/event-stream', sameAgain: true, done: true, plain: true, aborted: 'aborted',
    unknownModel: { kind: 'gateway', status: 404, code: 'model_not_found' }, kept: 43,
  });
}

test('A device registers, asks, reads a stream, asks again and aborts', async () => check(await run(target)));

test('It does so without WebCrypto and without streams', async () => {
  const { subtle, getRandomValues } = globalThis.crypto;
  const kept = Object.getOwnPropertyDescriptor(globalThis, 'crypto');
  assert.ok(subtle);
  const values = getRandomValues.bind(globalThis.crypto);
  Object.defineProperty(globalThis, 'crypto', { configurable: true, value: { getRandomValues: values } });
  try {
    // A fetch whose responses have text and nothing else, as in React Native.
    const transport = fetchTransport(async (...request) => {
      const response = await fetch(...request);
      return { status: response.status, headers: response.headers, text: () => response.text() };
    });
    const { aborted, ...rest } = await run(target, { transport });
    assert.ok(['aborted', 'whole'].includes(aborted));
    check({ ...rest, aborted: 'aborted' });
  } finally {
    Object.defineProperty(globalThis, 'crypto', kept);
  }
});

test('Every spoiled reply is a typed error', async () => {
  const one = client();
  proxy.spoil('keep it');
  assert.equal(await ended(await one.chat(chat)), 'whole');
  for (const [how, failure] of Object.entries(EXPECTED)) {
    proxy.spoil(how);
    const seen = await thrown(async () => {
      for await (const _ of await one.chat(chat));
    });
    assert.equal(seen, failure, how);
  }
  proxy.spoil(null);
  assert.equal(await ended(await one.chat(chat)), 'whole');
});

test('A lost request or reply is sealed anew and is the same request', async () => {
  for (const how of ['lose the request', 'lose the reply']) {
    proxy.spoil(how);
    const from = proxy.seen.length;
    const reply = await client().chat(chat);
    assert.equal(await ended(reply), 'whole');
    const sent = proxy.seen.slice(from).filter(({ path }) => path === '/api/chat').map(({ body }) => JSON.parse(body));
    assert.equal(sent.length, 2);
    assert.notEqual(sent[0].encapsulated_key, sent[1].encapsulated_key);
    assert.notEqual(sent[0].request_id, sent[1].request_id);
  }
  proxy.spoil('lose the request');
  assert.equal(await thrown(() => client({ retries: 0 }).registerDevice()), 'network');
  proxy.spoil(null);
});

test('Keys of another directory key, gateway or shape are not used', async () => {
  const failed = (options) => thrown(() => client(options).keys());
  assert.equal(await failed({ directoryKey: new Uint8Array(32).fill(3) }), 'key-untrusted');
  assert.equal(await failed({ gateway: 'another.test' }), 'key-untrusted');
  const document = await (await fetch(new URL('/api/pubkey', target.url))).json();
  const shown = (change) => {
    const copy = structuredClone(document);
    change(copy);
    return { transport: { send: async () => ({ status: 200, header: () => null, text: (async function* () { yield JSON.stringify(copy); })() }) } };
  };
  assert.equal(await failed(shown((copy) => copy.keys[0].not_after++)), 'key-untrusted');
  assert.equal(await failed(shown((copy) => copy.keys.push(copy.keys[0]))), 'key-document-malformed');
  assert.equal(await failed(shown((copy) => delete copy.keys[0].signature)), 'key-document-malformed');
  assert.equal((await client().keys()).length > 0, true);
});

test('A clock that is wrong is put right by the gateway, and one that no key is for is said', async () => {
  assert.equal(await ended(await client({ now: () => Date.now() - 200_000 }).chat(chat)), 'whole');
  assert.equal(await thrown(() => client({ now: () => Date.now() + 40 * 86_400_000 }).chat(chat)), 'rotation');
});

test('An unknown key is fetched anew once; then it is a rotation error', async () => {
  const real = fetchTransport();
  const refusing = (times) => ({
    async send(request) {
      if (!request.url.endsWith('/api/chat') || times-- <= 0) return real.send(request);
      return { status: 400, header: () => null, text: (async function* () { yield '{"error":{"code":"sealing_key_unknown","message":""}}'; })() };
    },
  });
  assert.equal(await ended(await client({ transport: refusing(1) }).chat(chat)), 'whole');
  assert.equal(await thrown(() => client({ transport: refusing(2) }).chat(chat)), 'rotation');
});

test('The client keeps its own limit', async () => {
  const one = client({ rateLimit: { requests: 1 } });
  await ended(await one.chat(chat));
  await assert.rejects(one.chat(chat), (error) => error.kind === 'rate-limit' && error.source === 'client' && error.retryAfterMs > 0);
});

test('A key store that refuses is a device error', async () => {
  const refusing = { get: () => Promise.reject(new Error('no finger')), set: async () => {}, delete: async () => {} };
  assert.equal(await thrown(() => client({ keyStore: refusing }).chat(chat)), 'device');
});

test('A reply is cancelled at the gateway', async () => {
  const one = client();
  const reply = await one.chat(chat);
  assert.equal(await ended(reply), 'whole');
  assert.equal(await one.cancel(reply.request), false);
});

test('A pinned certificate is taken and another is not', async () => {
  // TLS in front of the gateway, as nginx would be.
  const server = createServer({ cert: readFileSync(target.certificate), key: readFileSync(target.key) }, (incoming, outgoing) => {
    const onward = request(new URL(incoming.url, target.url), { method: incoming.method, headers: { 'content-type': 'application/json' } }, (answer) => {
      outgoing.writeHead(answer.statusCode, { 'content-type': answer.headers['content-type'] });
      answer.pipe(outgoing);
    });
    incoming.pipe(onward);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const url = `https://127.0.0.1:${server.address().port}`;
    const one = (print) => client({ url, transport: pinnedTransport({ fingerprints: [print] }) });
    assert.equal(await ended(await one(target.fingerprint).chat(chat)), 'whole');
    await assert.rejects(one('00'.repeat(32)).chat(chat), (error) => error instanceof EncryptionError && error.failure === 'certificate-untrusted');
  } finally {
    server.close();
  }
});

test('What is said in the clear decides nothing about a token, and silences nobody for long', async () => {
  // Somebody between client and gateway, who can open nothing.
  const saying = (status, code) => ({
    async send(request) {
      if (!request.url.endsWith('/api/chat')) return fetchTransport().send(request);
      const headers = { 'tacit-token': 'spent', 'retry-after': '999999' };
      return { status, header: (name) => headers[name] ?? null, text: (async function* () { yield JSON.stringify({ error: { code, message: 'no' } }); })() };
    },
  });
  await assert.rejects(client({ transport: saying(409, 'token_spent') }).chat(chat), (error) => error.kind === 'gateway' && error.tokenState === null && error.isSealed === false);
  await assert.rejects(client().chat({ ...chat, model: 'nothing' }), (error) => error.kind === 'gateway' && error.isSealed === true);

  let ahead = 0;
  let transport = saying(429, 'rate_limited');
  const one = client({ now: () => Date.now() + ahead, transport: { send: (request) => transport.send(request) } });
  await assert.rejects(one.chat(chat), (error) => error.kind === 'rate-limit' && error.source === 'gateway' && error.retryAfterMs === 999_999_000);
  transport = fetchTransport();
  await assert.rejects(one.chat(chat), (error) => error.kind === 'rate-limit' && error.source === 'client' && error.retryAfterMs <= 60_000);
  ahead = 60_001;
  assert.equal(await ended(await one.chat(chat)), 'whole');
});

test('The owner of a device key is asked once a request, and a store that changes it is found', async () => {
  let gets = 0;
  const counting = { get: (name) => (gets++, store.get(name)), set: async () => {}, delete: async () => {} };
  const one = client({ keyStore: counting });
  assert.equal(await ended(await one.chat(chat)), 'whole');
  const from = gets;
  assert.equal(await ended(await one.chat(chat)), 'whole');
  assert.equal(gets - from, 1);
  counting.get = async () => Buffer.alloc(32, 9).toString('base64url');
  assert.equal(await thrown(() => one.chat(chat)), 'device');
});
