// OpenAI's official SDK against the app, where the model is served over Anthropic's API.   (prints one JSON line)
// Usage: node openai-over-anthropic.mjs BASE_URL MODEL
import OpenAI from 'openai';

const [baseURL, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: 'any', maxRetries: 2, timeout: 60_000 });
const user = (content) => [{ role: 'user', content }];
const seen = {};

const plain = await client.chat.completions.create({ model, messages: [{ role: 'system', content: 'Be brief.' }, ...user('Hello.')] });
seen.plain = { text: plain.choices[0].message.content, finish: plain.choices[0].finish_reason, usage: plain.usage.total_tokens };

const stream = await client.chat.completions.create({ model, messages: user('Stream it.'), stream: true, stream_options: { include_usage: true } });
let text = '';
for await (const chunk of stream) {
  text += chunk.choices[0]?.delta?.content ?? '';
  seen.finish = chunk.choices[0]?.finish_reason ?? seen.finish;
  seen.usage = chunk.usage?.total_tokens ?? seen.usage;
}
seen.stream = text;

const tools = [{ type: 'function', function: { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } } }];
const called = await client.chat.completions.create({ model, tools, messages: user('What is the weather in Paris?') });
const message = called.choices[0].message;
seen.calls = message.tool_calls.map((c) => ({ name: c.function.name, input: JSON.parse(c.function.arguments) }));
const results = message.tool_calls.map((c) => ({ role: 'tool', tool_call_id: c.id, content: 'sunny' }));
const told = await client.chat.completions.create({ model, tools, messages: [...user('What is the weather in Paris?'), message, ...results] });
seen.toolResult = told.choices[0].message.content;
const runner = client.chat.completions.stream({ model, tools, messages: user('Stream the weather in Paris.') });
seen.streamedCalls = (await runner.finalChatCompletion()).choices[0].message.tool_calls.map((c) => ({ name: c.function.name, input: JSON.parse(c.function.arguments) }));

const image = { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=' } };
seen.image = (await client.chat.completions.create({ model, messages: user([image, { type: 'text', text: 'What is it?' }]) })).choices[0].message.content;

try {
  await client.chat.completions.create({ model, seed: 1, messages: user('x') });
} catch (error) {
  seen.untranslatable = { status: error.status, code: error.code, param: error.param };
}
console.log(JSON.stringify(seen));
