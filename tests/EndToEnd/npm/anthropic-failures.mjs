// Anthropic's official SDK against the app, with a provider that fails in its own ways.   (prints one JSON line)
// Usage: node anthropic-failures.mjs BASE_URL MODEL
import Anthropic from '@anthropic-ai/sdk';

const [baseURL, model] = process.argv.slice(2);
const client = new Anthropic({ baseURL, apiKey: 'any', maxRetries: 2, timeout: 60_000 });
const ask = (content) => ({ model, max_tokens: 100, messages: [{ role: 'user', content }] });
const seen = {};

// Comes back by itself, with the same body.
seen.overloaded = (await client.messages.create(ask('Be overloaded.'))).content[0].text;

try {
  await client.messages.stream(ask('Break off.')).finalMessage();
} catch (e) {
  seen.broken = { name: e.constructor.name, type: e.type, code: e.errorCode };
}

const endless = client.messages.stream(ask('Never end.'));
try {
  for await (const event of endless) {
    if (event.type === 'content_block_delta') endless.abort();
  }
  await endless.done();
} catch (e) {
  seen.cancelled = e.constructor.name;
}

try {
  await client.messages.create({ ...ask('x'), max_tokens: 1_000 + 9_000 });
} catch (e) {
  seen.tooMuch = { name: e.constructor.name, status: e.status, code: e.errorCode };
}
console.log(JSON.stringify(seen));
