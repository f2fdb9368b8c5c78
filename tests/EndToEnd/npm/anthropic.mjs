// Anthropic's official SDK against the app, unchanged but for its base URL.   (prints one JSON line)
// Usage: node anthropic.mjs BASE_URL MODEL
import Anthropic from '@anthropic-ai/sdk';

const [baseURL, model] = process.argv.slice(2);
const client = new Anthropic({ baseURL, apiKey: 'any', maxRetries: 2, timeout: 60_000 });
const user = (content) => [{ role: 'user', content }];
const seen = {};

const plain = await client.messages.create({ model, max_tokens: 1000, system: 'Be brief.', messages: user('Tell me what you saw.') });
seen.plain = { text: plain.content.map((b) => b.text ?? '').join(''), stop: plain.stop_reason, role: plain.role, type: plain.type, usage: plain.usage };

const events = [];
const stream = client.messages.stream({ model, max_tokens: 1000, messages: user('Stream it.') });
for await (const event of stream) events.push(event.type);
const streamed = await stream.finalMessage();
seen.stream = { text: streamed.content.map((b) => b.text ?? '').join(''), stop: streamed.stop_reason, events: [...new Set(events)], last: events.at(-1), usage: streamed.usage };

const weather = { name: 'weather', description: 'Of a city.', input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } };
const asked = user('What is the weather in Paris?');
const called = await client.messages.create({ model, max_tokens: 1000, tools: [weather], tool_choice: { type: 'auto' }, messages: asked });
seen.tool = { stop: called.stop_reason, calls: called.content.filter((b) => b.type === 'tool_use') };
if (called.stop_reason === 'tool_use') {
  const results = seen.tool.calls.map((c) => ({ type: 'tool_result', tool_use_id: c.id, content: 'sunny' }));
  const told = await client.messages.create({
    model, max_tokens: 1000, tools: [weather], messages: [...asked, { role: 'assistant', content: called.content }, { role: 'user', content: results }],
  });
  seen.toolResult = told.content.map((b) => b.text ?? '').join('');
  const runner = client.messages.stream({ model, max_tokens: 1000, tools: [weather], messages: user('Stream the weather in Paris.') });
  const final = await runner.finalMessage();
  seen.toolStream = { stop: final.stop_reason, calls: final.content.filter((b) => b.type === 'tool_use') };
}

// Betas are asked for by a header, which ends at the app.
seen.beta = (await client.beta.messages.create({ model, max_tokens: 1000, betas: ['token-efficient-tools-2025-02-19'], messages: user('Hello, beta.') })).content[0].text;
seen.models = [];
for await (const one of client.models.list()) seen.models.push(one.id);

const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'iVBORw0KGgo=' }, cache_control: { type: 'ephemeral' } };
const looked = await client.messages.create({ model, max_tokens: 1000, metadata: { user_id: 'me' }, messages: user([image, { type: 'text', text: 'What is it?' }]) });
seen.image = looked.content.map((b) => b.text ?? '').join('');

const failure = async (call) => {
  try {
    await call();
    return null;
  } catch (e) {
    return { name: e.constructor.name, status: e.status, type: e.type, code: e.errorCode };
  }
};
seen.unknownModel = await failure(() => client.messages.create({ model: 'no-such-model', max_tokens: 10, messages: user('x') }));
seen.stateful = await failure(() => client.messages.create({ model, max_tokens: 10, container: 'c', messages: user('x') }));
seen.noPath = await failure(() => client.messages.countTokens({ model, messages: user('x') }));
console.log(JSON.stringify(seen));
