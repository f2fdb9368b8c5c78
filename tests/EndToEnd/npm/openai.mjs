// OpenAI's official SDK against the app, unchanged but for its base URL.   (prints one JSON line)
// Usage: node openai.mjs BASE_URL MODEL
import OpenAI from 'openai';

const [baseURL, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: 'any', maxRetries: 2 });
const messages = [{ role: 'user', content: 'Tell me what you saw.' }];
const seen = {};

seen.models = (await client.models.list()).data.map((m) => m.id);

const plain = await client.chat.completions.create({ model, messages });
seen.plain = Boolean(plain.choices[0].message.content) && plain.usage.total_tokens > 0;

let streamed = '';
let chunks = 0;
const stream = await client.chat.completions.create({
  model, messages: [{ role: 'user', content: 'Stream it.' }], stream: true, stream_options: { include_usage: true },
});
for await (const chunk of stream) {
  chunks++;
  streamed += chunk.choices[0]?.delta?.content ?? '';
}
seen.stream = chunks > 2 && streamed.length > 0;

const tools = await client.chat.completions.create({
  model,
  messages: [{ role: 'user', content: 'What is the weather?' }],
  tools: [{ type: 'function', function: { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } } }],
});
seen.tools = tools.choices.length === 1;

const response = await client.responses.create({ model, input: 'Answer in one line.' });
seen.responses = response.output_text.length > 0;
let events = 0;
for await (const event of await client.responses.create({ model, input: 'Stream this one.', stream: true })) {
  events++;
  seen.responsesCompleted = event.type === 'response.completed';
}
seen.responsesStream = events > 3;

const embedding = await client.embeddings.create({ model, input: ['one', 'two'] });
seen.embeddings = embedding.data.length === 2 && embedding.data[0].embedding.length > 0;

try {
  await client.chat.completions.create({ model: 'no-such-model', messages });
} catch (error) {
  seen.unknownModel = { status: error.status, code: error.code };
}
try {
  await client.responses.create({ model, input: 'Go on.', previous_response_id: 'resp_1' });
} catch (error) {
  seen.stateful = { status: error.status, code: error.code };
}
console.log(JSON.stringify(seen));
