// What is asked of the client wherever it runs: under Node and in a browser, against a running gateway.
import { MemoryKeyStore, TacitClient } from 'tacit-client';

const messages = [{ role: 'user', content: 'Was weißt du über mich? 🙂' }];

/** @returns {Promise<Record<string, unknown>>} What came, to be judged by whoever runs this. */
export async function run({ url, gateway, directoryKey, model }, options = {}) {
  const store = new MemoryKeyStore();
  const client = new TacitClient({ url, gateway, directoryKey, device: true, keyStore: store, keyCache: store, ...options });
  const seen = { device: await client.registerDevice() };

  let pieces = 0;
  let words = '';
  const reply = await client.chat({ model, messages });
  for await (const text of reply) {
    pieces++;
    words += text;
  }
  Object.assign(seen, { status: reply.status, type: reply.headers['content-type'], pieces, words });

  // The same request again is the same reply, and its events are those of the provider.
  const again = await client.send(reply.request);
  let data = [];
  for await (const event of again.events()) data.push(event.data);
  seen.sameAgain = data.slice(0, -1).map((text) => JSON.parse(text).choices[0]?.delta?.content ?? '').join('') === words;
  seen.done = data.at(-1) === '[DONE]';

  const plain = await client.chat({ model, messages, stream: false });
  let plainWords = '';
  for await (const text of plain) plainWords += text;
  seen.plain = plainWords.length > 0;

  const stop = new AbortController();
  const aborted = await client.chat({ model, messages }, { signal: stop.signal });
  stop.abort();
  seen.aborted = await ended(aborted);
  seen.unknownModel = await client.chat({ model: 'nothing', messages }).then(() => null, ({ kind, status, code }) => ({ kind, status, code }));
  seen.kept = (await store.get('tacit-device-key'))?.length;
  return seen;
}

/** The failure that reading a reply to its end throws, or `whole`. */
export async function ended(reply) {
  try {
    for await (const _ of reply);
    return 'whole';
  } catch (error) {
    return error.failure ?? error.kind ?? String(error);
  }
}

/** What `action` throws. */
export async function thrown(action) {
  try {
    await action();
    return 'nothing';
  } catch (error) {
    return error.failure ?? error.kind ?? String(error.stack);
  }
}
