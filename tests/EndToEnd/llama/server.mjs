// llama.cpp behind OpenAI's API, over a Unix socket and TCP: `node server.mjs MODEL SOCKET|- PORT|-`. Prints one line of JSON when it listens, and again when the
// model is loaded; until then /health says 503, as llama.cpp's own server does.
import http from "node:http";
import {getLlama, LlamaCompletion} from "node-llama-cpp";

const [modelPath, socket, port] = process.argv.slice(2);
const name = "tiny-random";
const places = 2;
const free = [];
const waiting = [];
let isReady = false;

const take = () => (free.length > 0 ? Promise.resolve(free.pop()) : new Promise(resolve => waiting.push(resolve)));
const give = place => (waiting.length > 0 ? waiting.shift()(place) : free.push(place));

function send(response, status, value) {
    response.writeHead(status, {"content-type": "application/json"});
    response.end(JSON.stringify(value));
}

const refusal = (message, type = "invalid_request_error") => ({error: {message, type, code: null, param: null}});

async function complete(request, response, body) {
    const asked = JSON.parse(body);
    if (!Array.isArray(asked.messages)) {
        return send(response, 400, refusal("messages is missing"));
    }

    const prompt = asked.messages.map(message => `${message.role}: ${typeof message.content === "string" ? message.content : ""}\n`).join("") + "assistant:";
    const head = {id: "chatcmpl-llama", created: Math.floor(Date.now() / 1000), model: asked.model};
    const place = await take();
    const gone = new AbortController();
    response.on("close", () => gone.abort());
    const completion = new LlamaCompletion({contextSequence: place});
    let pieces = 0;
    let isStarted = false;
    const event = (delta, finish = null) => {
        isStarted = true;
        response.write(`data: ${JSON.stringify({...head, object: "chat.completion.chunk", choices: [{index: 0, delta, finish_reason: finish}]})}\n\n`);
    };
    try {
        if (asked.stream) {
            response.writeHead(200, {"content-type": "text/event-stream"});
            event({role: "assistant", content: ""});
        }

        const text = await completion.generateCompletion(prompt, {
            maxTokens: asked.max_tokens ?? asked.max_completion_tokens ?? 64,
            temperature: asked.temperature ?? 0,
            seed: asked.seed,
            signal: gone.signal,
            onTextChunk: piece => {
                pieces++;
                if (asked.stream) {
                    event({content: piece});
                }
            },
        });
        if (asked.stream) {
            event({}, "length");
            response.end("data: [DONE]\n\n");
        } else {
            send(response, 200, {
                ...head, object: "chat.completion", choices: [{index: 0, message: {role: "assistant", content: text}, finish_reason: "length"}],
                usage: {prompt_tokens: prompt.length, completion_tokens: pieces, total_tokens: prompt.length + pieces},
            });
        }
    } catch (error) {
        if (isStarted || gone.signal.aborted) {
            response.destroy();
        } else {
            send(response, 500, refusal(String(error), "server_error"));
        }
    } finally {
        completion.dispose({disposeSequence: false});
        await place.clearHistory();
        give(place);
    }
}

function answer(request, response) {
    switch (`${request.method} ${request.url}`) {
        case "GET /health":
            return isReady ? send(response, 200, {status: "ok"}) : send(response, 503, refusal("Loading model", "unavailable_error"));
        case "GET /v1/models":
            return send(response, 200, {object: "list", data: isReady ? [{id: name, object: "model", owned_by: "llamacpp"}] : []});
        case "POST /v1/chat/completions": {
            const body = [];
            request.on("data", piece => body.push(piece));
            request.on("end", () => complete(request, response, Buffer.concat(body)).catch(() => response.destroy()));
            return;
        }
        default:
            return send(response, 404, refusal("no such path"));
    }
}

const listen = at => new Promise((resolve, reject) => {
    const server = http.createServer(answer).on("error", reject);
    server.listen(at, () => resolve(server));
});
if (socket !== "-") {
    await listen({path: socket});
}

const tcp = port === "-" ? undefined : await listen({host: "127.0.0.1", port: Number(port)});
console.log(JSON.stringify({listening: true, port: tcp?.address().port}));
const llama = await getLlama({gpu: false, build: "never", progressLogs: false, logLevel: "error", maxThreads: 1});
const model = await llama.loadModel({modelPath});
const context = await model.createContext({contextSize: 1024, sequences: places});
for (let i = 0; i < places; i++) {
    free.push(context.getSequence());
}

isReady = true;
console.log(JSON.stringify({loaded: true}));
