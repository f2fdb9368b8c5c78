// Stands between a client and a gateway, on a real socket, and spoils sealed replies as told.
import { createServer, request } from 'node:http';

/** @returns {Promise<{ url: string, spoil: (name: string | null) => void, seen: object[], close: () => void }>} */
export async function spoilingProxy(target) {
  let how = null;
  let kept = null;
  const seen = [];
  const server = createServer((incoming, outgoing) => {
    const parts = [];
    incoming.on('data', (part) => parts.push(part));
    incoming.on('end', () => {
      const body = Buffer.concat(parts);
      seen.push({ method: incoming.method, path: incoming.url, headers: incoming.headers, body: body.toString() });
      const isChat = incoming.url === '/api/chat';
      if (isChat && how === 'lose the request') return void ((how = null), incoming.socket.destroy());
      const onward = request(new URL(incoming.url, target), { method: incoming.method, headers: { ...incoming.headers, host: new URL(target).host } }, (answer) => {
        const pieces = [];
        answer.on('data', (piece) => pieces.push(piece));
        answer.on('error', () => outgoing.destroy());
        answer.on('end', () => {
          if (isChat && how === 'lose the reply') return void ((how = null), incoming.socket.destroy());
          let text = Buffer.concat(pieces).toString();
          const isSealed = isChat && answer.statusCode === 200;
          if (isSealed && how === 'keep it') kept = text.split('\n\n');
          const spoiled = isSealed && how !== null ? spoil(how, text.split('\n\n').slice(0, -1), kept) : { text };
          outgoing.writeHead(answer.statusCode, Object.fromEntries(Object.entries(answer.headers).filter(([name]) => !/^(content-length|transfer-encoding|connection)$/.test(name))));
          if (spoiled.cut) outgoing.write(spoiled.text, () => outgoing.destroy());
          else outgoing.end(spoiled.text);
        });
      });
      onward.on('error', () => outgoing.destroy());
      onward.end(body);
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${server.address().port}`, spoil: (name) => (how = name), seen, close: () => server.close() };
}

const join = (events) => ({ text: events.map((event) => `${event}\n\n`).join('') });

/** A bit of an event's data turned, in the middle. */
function flip(event) {
  const at = event.indexOf('data: ') + 40;
  return event.slice(0, at) + (event[at] === 'A' ? 'B' : 'A') + event.slice(at + 1);
}

function spoil(how, events, kept) {
  const middle = events.length >> 1;
  const without = (at) => events.filter((_, index) => index !== at);
  switch (how) {
    case 'tampered': return join(events.map((event, at) => (at === middle ? flip(event) : event)));
    case 'tampered end': return join(events.map((event, at) => (at === events.length - 1 ? flip(event) : event)));
    case 'truncated': return join(events.slice(0, -1));
    case 'truncated early': return join(events.slice(0, 1));
    case 'cut': return { text: join(events.slice(0, middle)).text, cut: true };
    case 'reordered': return join(events.map((event, at) => (at === middle ? events[at - 1] : at === middle - 1 ? events[at + 1] : event)));
    case 'repeated': return join(events.flatMap((event, at) => (at === middle ? [event, event] : [event])));
    case 'repeated end': return join([...events, events.at(-1)]);
    case 'left out': return join(without(middle));
    case 'ended early': return join(events.slice(0, middle).concat(events[middle].replace('event: chunk', 'event: final')));
    case 'spliced': return join(events.map((event, at) => (at === middle ? kept[middle] : event)));
    case 'of another': return join(kept.slice(0, -1));
    case 'keep it': return join(events);
    default: throw new Error(how);
  }
}

export const EXPECTED = {
  tampered: 'chunk-unopenable', 'tampered end': 'chunk-unopenable', truncated: 'reply-truncated', 'truncated early': 'reply-truncated', cut: 'reply-truncated',
  reordered: 'chunk-unopenable', repeated: 'chunk-unopenable', 'repeated end': 'reply-continued', 'left out': 'chunk-unopenable', 'ended early': 'chunk-unopenable',
  spliced: 'chunk-unopenable', 'of another': 'other-request',
};
