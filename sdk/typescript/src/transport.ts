import { Utf8Decoder } from './bytes.js';
import { AbortedError, NetworkError, TacitError, UnsupportedError } from './errors.js';

export interface TransportRequest {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal?: AbortSignal;
}

export interface TransportResponse {
  readonly status: number;
  /** @param name In lower case. */
  header(name: string): string | null;
  /** The body as text, as it comes; throws where the connection breaks. Read once. Returning from the iteration early closes the connection. */
  readonly text: AsyncIterable<string>;
}

/** How bytes get to the gateway. What comes is checked above it, so it need not be trusted with anything but availability. */
export interface Transport {
  send(request: TransportRequest): Promise<TransportResponse>;
}

type Fetch = (input: string, init?: RequestInit) => Promise<Response>;

/**
 * `fetch`. Where a response has no stream (React Native), the reply comes in one piece at its end; {@link xhrTransport} streams there.
 * Sends no cookies, follows no redirects and names no referrer.
 */
export function fetchTransport(fetcher?: Fetch): Transport {
  return {
    async send({ method, url, headers, body, signal }) {
      const response = await guarded(signal, () => (fetcher ?? globalThis.fetch)(url, {
        method, headers: { ...headers }, credentials: 'omit', redirect: 'error', referrerPolicy: 'no-referrer', cache: 'no-store',
        ...(body === undefined ? {} : { body }), ...(signal === undefined ? {} : { signal }),
      }));
      return { status: response.status, header: (name) => response.headers.get(name), text: textOf(response, signal) };
    },
  };
}

async function* textOf(response: Response, signal: AbortSignal | undefined): AsyncGenerator<string> {
  const reader = response.body?.getReader?.();
  if (reader === undefined) {
    yield await guarded(signal, () => response.text());
    return;
  }

  const decoder = new Utf8Decoder();
  try {
    for (;;) {
      const { done, value } = await guarded(signal, () => reader.read());
      if (done) break;
      yield decoder.push(value);
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}

/** `XMLHttpRequest`, which gives text as it comes where `fetch` has no streams: React Native, old web views. */
export function xhrTransport(create: () => XMLHttpRequest = () => new XMLHttpRequest()): Transport {
  return {
    send: ({ method, url, headers, body, signal }) => new Promise((resolve, reject) => {
      const xhr = create();
      const pieces = new Pieces(() => xhr.abort());
      let given = 0;
      const advance = (): void => {
        const text = xhr.responseText;
        if (text.length > given) pieces.add(text.slice(given));
        given = text.length;
      };
      const fail = (error: TacitError): void => {
        signal?.removeEventListener('abort', abort);
        pieces.end(error);
        reject(error);
      };
      const abort = (): void => {
        fail(new AbortedError());
        xhr.abort();
      };
      if (signal?.aborted) return reject(new AbortedError());
      signal?.addEventListener('abort', abort);
      xhr.open(method, url);
      xhr.responseType = 'text';
      for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value);
      xhr.onreadystatechange = () => {
        if (xhr.readyState === 2) resolve({ status: xhr.status, header: (name) => xhr.getResponseHeader(name), text: pieces });
        if (xhr.readyState >= 3) advance();
      };
      xhr.onprogress = advance;
      xhr.onload = () => {
        advance();
        signal?.removeEventListener('abort', abort);
        pieces.end(null);
      };
      xhr.onerror = () => fail(new NetworkError('The gateway was not reached, or the connection broke.'));
      xhr.ontimeout = xhr.onerror;
      xhr.onabort = () => fail(new AbortedError());
      xhr.send(body ?? null);
    }),
  };
}

/** Text that is added at one end and iterated at the other. */
export class Pieces implements AsyncIterable<string>, AsyncIterator<string> {
  private waiting: string[] = [];
  private ended: { error: Error | null } | null = null;
  private wake: (() => void) | null = null;

  constructor(private readonly close: () => void) {}

  add(text: string): void {
    if (this.ended === null) this.waiting.push(text);
    this.wake?.();
  }

  end(error: Error | null): void {
    this.ended ??= { error };
    this.wake?.();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<string>> {
    for (;;) {
      const value = this.waiting.shift();
      if (value !== undefined) return { done: false, value };
      if (this.ended?.error) throw this.ended.error;
      if (this.ended !== null) return { done: true, value: undefined };
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }

  async return(): Promise<IteratorResult<string>> {
    if (this.ended === null) {
      this.end(null);
      this.close();
    }
    this.waiting = [];
    return { done: true, value: undefined };
  }
}

/** What this platform has. */
export function defaultTransport(): Transport {
  const streams = typeof ReadableStream === 'function' && typeof Response === 'function' && 'body' in Response.prototype;
  if (typeof fetch === 'function' && (streams || typeof XMLHttpRequest !== 'function')) return fetchTransport();
  if (typeof XMLHttpRequest === 'function') return xhrTransport();
  throw new UnsupportedError('This platform has neither fetch nor XMLHttpRequest: give a transport.');
}

async function guarded<T>(signal: AbortSignal | undefined, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (signal?.aborted) throw new AbortedError();
    if (error instanceof TacitError) throw error;
    throw new NetworkError('The gateway was not reached, or the connection broke.', { cause: error });
  }
}
