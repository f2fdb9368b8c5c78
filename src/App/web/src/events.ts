// The app's event stream. It begins with the whole state, so that a broken one is simply opened again. Browsers open only six connections to one address for all their tabs:
// therefore one tab holds the stream (whoever has the lock) and passes it on to the others, and asks for the state anew where a tab comes to be.
import { call } from './api';
import { EventParser } from './eventParser';
import { connection, receive } from './store';

const firstPause = 400;
const longestPause = 8000;

type Shared = { kind: 'event'; name: string; data: string } | { kind: 'connection'; value: typeof connection.value } | { kind: 'hello' };

export function follow(): void {
  if (!('locks' in navigator) || !('BroadcastChannel' in window)) {
    void hold(receiveText, value => { connection.value = value; }, new EventTarget());
    return;
  }
  const channel = new BroadcastChannel('tacit-events');
  const wake = new EventTarget();
  let holds = false;
  channel.onmessage = (message: MessageEvent<Shared>) => {
    const shared = message.data;
    if (shared.kind === 'hello') {
      if (holds) {
        wake.dispatchEvent(new Event('again'));
      }
    } else if (shared.kind === 'event') {
      receiveText(shared.name, shared.data);
    } else {
      connection.value = shared.value;
    }
  };
  channel.postMessage({ kind: 'hello' } satisfies Shared);
  void navigator.locks.request('tacit-events', () => {
    holds = true;
    return hold(
      (name, data) => {
        channel.postMessage({ kind: 'event', name, data } satisfies Shared);
        receiveText(name, data);
      },
      value => {
        connection.value = value;
        channel.postMessage({ kind: 'connection', value } satisfies Shared);
      },
      wake);
  });
}

function receiveText(name: string, data: string): void {
  receive(name, JSON.parse(data));
}

/** Never ends: a stream that broke is opened again. */
async function hold(tell: (name: string, data: string) => void, tellConnection: (value: typeof connection.value) => void, wake: EventTarget): Promise<void> {
  let pause = firstPause;
  for (;;) {
    const abort = new AbortController();
    let isAgain = false;
    const again = () => {
      isAgain = true;
      abort.abort();
    };
    wake.addEventListener('again', again, { once: true });
    try {
      await read(abort, (name, data) => {
        if (name === 'state') {
          pause = firstPause;
          tellConnection('open');
        }
        tell(name, data);
      });
    } catch {
      // Told below, whatever it was: the remedy is the same.
    }
    wake.removeEventListener('again', again);
    if (isAgain) {
      continue;
    }
    tellConnection('gone');
    await new Promise<void>(resolve => {
      const timer = setTimeout(resolve, pause);
      addEventListener('online', () => { clearTimeout(timer); resolve(); }, { once: true });
    });
    pause = Math.min(pause * 2, longestPause);
  }
}

async function read(abort: AbortController, tell: (name: string, data: string) => void): Promise<void> {
  const response = await call('GET', '/app/events', undefined, abort.signal);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  const parser = new EventParser();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) {
      return;
    }
    for (const event of parser.push(value)) {
      tell(event.name, event.data);
    }
  }
}
