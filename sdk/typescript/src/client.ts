import { sha256 } from '@noble/hashes/sha2.js';
import { concat, fromBase64Url, parseObject, toBase64Url, utf8, type Bytes } from './bytes.js';
import { openPieces, readError, Reply } from './chat.js';
import { MemoryKeyStore, signedHeaders, StoredDeviceKey, type DeviceKey, type KeyStore } from './device.js';
import { AbortedError, EncryptionError, GatewayError, NetworkError, RateLimitError, RotationError, UnsupportedError } from './errors.js';
import { checkFollows, keyAt, readKeyDocument, type KeyDocument, type SealingKey } from './keys.js';
import { Limiter, type RateLimit } from './limiter.js';
import { SealedReplyReader } from './reply.js';
import { CHAT_PATH, sealRequest } from './request.js';
import { defaultTransport, type Transport, type TransportResponse } from './transport.js';
import { readWork, solveWork, type WorkAnnouncement } from './work.js';

const KEYS_PATH = '/api/pubkey';
const CHAT_COMPLETIONS = '/v1/chat/completions';
const MAX_ERROR = 64 * 1024;
const MAX_BLOCK_IN_THE_CLEAR = 60_000;
const MAX_SKEW = 3_600_000;

export interface TacitClientOptions {
  /** Of the gateway, or of what passes on to it: `https://gateway.example`. */
  readonly url: string;
  /** The gateway's name, as its operator gives it. */
  readonly gateway: string;
  /** The directory key that is pinned: the issuer's, or the gateway's own. 32 bytes, or these in base64url or hexadecimal. */
  readonly directoryKey: string | Uint8Array;
  /** Default: `fetch`, or `XMLHttpRequest` where `fetch` can't stream. */
  readonly transport?: Transport;
  /** Signs requests that carry no token. `true`: a key made and kept in `keyStore`. Default: none. */
  readonly device?: boolean | DeviceKey;
  /** Where the device's key is kept. Default: memory. */
  readonly keyStore?: KeyStore;
  /** Where the gateway's keys are kept between runs; they are public, and verified again when read. Default: nowhere. */
  readonly keyCache?: KeyStore;
  /** Cryptographic randomness. Default: `crypto.getRandomValues`, which React Native has by `react-native-get-random-values`. */
  readonly randomBytes?: (size: number) => Uint8Array;
  /** UNIX milliseconds. Default: `Date.now`. */
  readonly now?: () => number;
  /** Default: 60 requests a minute, 4 at a time. */
  readonly rateLimit?: Partial<RateLimit>;
  /** How often a request that met a network error, or a gateway at its limit, is sent again before its reply has begun. Default: 2. */
  readonly retries?: number;
  /** The most zero bits of work that this device does for a request. Default: 22. */
  readonly maxWorkBits?: number;
}

export interface RequestOptions {
  /** Such as `PrivateToken token="…"`. Without one, the device signs. */
  readonly authorization?: string;
  /** Further headers that the path takes (`tacit-successor`), in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/**
 * A request with its identity: its token, or its nonce under the device's key. However often it is sent, each time in an encapsulation of its own, it is one request
 * to the gateway, paid and answered once.
 */
export interface PreparedRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** JSON, as it is sent and signed. */
  readonly body: string | null;
  readonly headers: Readonly<Record<string, string>>;
  /** base64url; null where a token is its identity. */
  readonly nonce: string | null;
}

/** Sealed chat with one gateway (docs/protocol.md, "Sealed chat"). */
export class TacitClient {
  private readonly url: string;
  private readonly gateway: string;
  private readonly directoryKey: Bytes;
  private readonly transport: Transport;
  private readonly device: DeviceKey | null;
  private readonly cache: KeyStore | null;
  private readonly random: (size: number) => Bytes;
  private readonly now: () => number;
  private readonly limiter: Limiter;
  private readonly retries: number;
  private readonly maxWorkBits: number;

  private document: KeyDocument | null = null;
  private fetching: Promise<KeyDocument> | null = null;
  private work: WorkAnnouncement | null = null;
  /** What the gateway's clock is ahead by; learned from its refusal. Only the timestamp follows it, never the choice of a key. */
  private skewMs = 0;

  constructor(options: TacitClientOptions) {
    this.url = options.url.replace(/\/+$/, '');
    this.gateway = options.gateway;
    this.directoryKey = readPin(options.directoryKey);
    this.transport = options.transport ?? defaultTransport();
    this.random = randomness(options.randomBytes);
    this.now = options.now ?? Date.now;
    this.cache = options.keyCache ?? null;
    this.device = typeof options.device === 'object'
      ? options.device
      : options.device === true ? new StoredDeviceKey(options.keyStore ?? new MemoryKeyStore(), this.random) : null;
    this.limiter = new Limiter({ requests: 60, perMs: 60_000, concurrent: 4, ...options.rateLimit }, this.now);
    this.retries = options.retries ?? 2;
    this.maxWorkBits = options.maxWorkBits ?? 22;
  }

  /** Asks, with `stream: true` unless the body says otherwise. */
  async chat(body: Readonly<Record<string, unknown>>, options: RequestOptions = {}): Promise<Reply> {
    return this.send(this.prepare(CHAT_COMPLETIONS, { stream: true, ...body }, options), options);
  }

  /** Any path that the gateway takes inside a sealed request, with its body, once: see {@link PreparedRequest}. */
  prepare(path: string, body: Readonly<Record<string, unknown>> | null, options: RequestOptions = {}, method: 'GET' | 'POST' = 'POST'): PreparedRequest {
    const headers = { ...options.headers, ...(options.authorization === undefined ? {} : { authorization: options.authorization }) };
    const isSigned = method === 'POST' && options.authorization === undefined && this.device !== null;
    return { method, path, body: body === null ? null : JSON.stringify(body), headers, nonce: isSigned ? toBase64Url(this.random(16)) : null };
  }

  /** Sends a request, or the same request again. Errors of the gateway throw: {@link RateLimitError} for 429, else {@link GatewayError}. */
  async send(request: PreparedRequest, options: Pick<RequestOptions, 'signal'> = {}): Promise<Reply> {
    const leave = this.limiter.enter();
    try {
      return await this.attempt(request, options.signal, leave);
    } catch (error) {
      leave();
      throw error;
    }
  }

  /** Stops a request's reply at the gateway. What paid for it stays spent. */
  async cancel(request: PreparedRequest, options: Pick<RequestOptions, 'signal'> = {}): Promise<boolean> {
    const authorization = request.headers['authorization'];
    const reply = await this.attempt(
      { method: 'POST', path: '/v1/cancel', body: null, headers: authorization === undefined ? {} : { authorization }, nonce: request.nonce }, options.signal, () => undefined);
    return ((await reply.json()) as { cancelled?: unknown }).cancelled === true;
  }

  /** Registers the device's key, where the gateway lets devices do so. @returns The key, in base64url. */
  async registerDevice(invitation?: string): Promise<string> {
    const reply = await this.send(this.prepare('/api/devices', invitation === undefined ? {} : { code: invitation }));
    return ((await reply.json()) as { device: string }).device;
  }

  /** The gateway's verified keys, current and next, with what attests them. */
  async keys(options: { refresh?: boolean } = {}): Promise<readonly SealingKey[]> {
    return (options.refresh === true ? await this.refresh() : await this.known()).keys;
  }

  private async attempt(request: PreparedRequest, signal: AbortSignal | undefined, ended: () => void): Promise<Reply> {
    const done = { retries: 0, rotations: 0, clocks: 0, works: 0 };
    let innerWork: string | null = null;
    for (;;) {
      if (signal?.aborted) throw new AbortedError();
      try {
        return await this.once(request, innerWork, signal, ended);
      } catch (error) {
        if (error instanceof Refusal) {
          if (error.gateway.code === 'sealing_key_unknown') {
            if (done.rotations++ > 0) throw new RotationError('The gateway does not know the key that it shows as its own.', { cause: error.gateway });
            await this.refresh(signal);
            continue;
          }
          // Said in the clear: a request that is dated far ahead could be kept and delivered then.
          if (error.gateway.code === 'timestamp_out_of_window' && error.serverTime !== null && Math.abs(error.serverTime - this.now()) <= MAX_SKEW && done.clocks++ === 0) {
            this.skewMs = error.serverTime - this.now();
            continue;
          }
          if (error.gateway.code === 'work_required' && error.work !== null && done.works++ < 3) {
            if (error.gateway.isSealed) innerWork = await solveWork(error.work, digestOf(request), this.random(8), this.maxWorkBits, signal);
            else this.work = error.work;
            continue;
          }
          if (error.gateway.status === 429) {
            // Whoever stands between could else silence this client for as long as it likes, by one answer.
            this.limiter.block(error.gateway.isSealed ? error.retryAfterMs : Math.min(error.retryAfterMs, MAX_BLOCK_IN_THE_CLEAR));
            throw new RateLimitError(error.gateway.message, 'gateway', error.retryAfterMs, error.gateway.code, error.gateway.isSealed);
          }
          // Replayed: something on the way sent ours twice. Sealed anew it attaches to its reply.
          if ((error.gateway.status === 503 || error.gateway.code === 'request_replayed') && done.retries < this.retries) {
            await this.pause(done.retries++, error.retryAfterMs, signal);
            continue;
          }
          throw error.gateway;
        }
        if (error instanceof NetworkError && done.retries < this.retries) {
          await this.pause(done.retries++, 0, signal);
          continue;
        }
        throw error;
      }
    }
  }

  private async once(request: PreparedRequest, innerWork: string | null, signal: AbortSignal | undefined, ended: () => void): Promise<Reply> {
    const key = await this.currentKey(signal);
    const inner = await this.inner(request, innerWork);
    const sealed = await sealRequest(key, inner, this.now() + this.skewMs, this.random(16), this.random(32));
    const work = this.work !== null && this.work.until * 1000 > this.now() + this.skewMs
      ? { work: await solveWork(this.work, sha256(concat(sealed.encapsulatedKey, sealed.ciphertext)) as Bytes, this.random(8), this.maxWorkBits, signal) }
      : {};
    const response = await this.transport.send({
      method: 'POST', url: this.url + CHAT_PATH, headers: { 'content-type': 'application/json' }, body: JSON.stringify({ ...sealed.envelope, ...work }),
      ...(signal === undefined ? {} : { signal }),
    });
    if (response.status !== 200) throw await refusal(response);
    const reader = new SealedReplyReader(sealed.reply);
    const pieces = openPieces(response.text, reader, () => reader.head !== null && ended());
    const first: Bytes[] = [];
    while (reader.head === null) {
      const { done, value } = await pieces.next();
      if (!done) first.push(...value);
      else if (reader.head === null) throw new EncryptionError('reply-truncated', 'The reply ended before it began.');
    }

    const reply = new Reply(request, reader.head, reader, pieces, first);
    if (reply.status >= 200 && reply.status < 300) return reply;
    const body = parseObject(await reply.text());
    throw new Refusal(readError(reply.status, body, { tokenState: reply.headers['tacit-token'] ?? null }), body, reply.headers['retry-after'] ?? null);
  }

  private async inner(request: PreparedRequest, work: string | null): Promise<Bytes> {
    const body = request.body === null ? new Uint8Array() : utf8(request.body);
    const nonce = request.nonce === null ? null : fromBase64Url(request.nonce);
    const signature = nonce === null || this.device === null
      ? {}
      : await signedHeaders(this.device, request.method, request.path, body, nonce, Math.floor((this.now() + this.skewMs) / 1000));
    const headers = { ...request.headers, ...signature, ...(work === null ? {} : { 'tacit-work': work }) };
    const head = JSON.stringify({ ...(request.method === 'GET' ? { method: 'GET' } : {}), path: request.path, headers });
    // The body's bytes as they were signed.
    return concat(utf8(request.body === null ? head : `${head.slice(0, -1)},"body":`), body, utf8(request.body === null ? '' : '}'));
  }

  private async currentKey(signal: AbortSignal | undefined): Promise<SealingKey> {
    const key = keyAt((await this.known(signal)).keys, this.now()) ?? keyAt((await this.refresh(signal)).keys, this.now());
    if (key === null) throw new RotationError('The gateway shows no X25519 key whose time it is by this clock; is the clock right?');
    return key;
  }

  private async known(signal?: AbortSignal): Promise<KeyDocument> {
    if (this.document === null && this.cache !== null) {
      const text = await this.cache.get(this.cacheName);
      try {
        if (text !== null) this.document = readKeyDocument(text, this.gateway, this.directoryKey);
      } catch {
        await this.cache.delete(this.cacheName);
      }
    }
    return this.document ?? this.refresh(signal);
  }

  private async refresh(signal?: AbortSignal): Promise<KeyDocument> {
    this.fetching ??= this.fetchKeys().finally(() => (this.fetching = null));
    const document = await this.fetching;
    if (signal?.aborted) throw new AbortedError();
    return document;
  }

  private async fetchKeys(): Promise<KeyDocument> {
    for (let retries = 0; ; retries++) {
      try {
        const response = await this.transport.send({ method: 'GET', url: this.url + KEYS_PATH, headers: { accept: 'application/json' } });
        if (response.status !== 200) throw (await refusal(response)).gateway;
        const text = await readAll(response, 1 << 20);
        const document = readKeyDocument(text, this.gateway, this.directoryKey);
        if (this.document !== null) checkFollows(document, this.document);
        this.document = document;
        this.work = document.work;
        await this.cache?.set(this.cacheName, text);
        return this.document;
      } catch (error) {
        if (!(error instanceof NetworkError) || retries >= this.retries) throw error;
        await this.pause(retries, 0, undefined);
      }
    }
  }

  private get cacheName(): string {
    return `tacit-keys-${this.gateway}`;
  }

  /** Half a second, doubled each time, less up to half of it by chance; the gateway's own wish where that is longer. */
  private async pause(retries: number, leastMs: number, signal: AbortSignal | undefined): Promise<void> {
    const backoff = 500 * 2 ** retries * (1 - this.random(1)[0]! / 512);
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => finish(resolve), Math.min(Math.max(leastMs, backoff), 60_000));
      const abort = (): void => finish(() => reject(new AbortedError()));
      const finish = (how: () => void): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
        how();
      };
      signal?.addEventListener('abort', abort);
    });
  }
}

/** The gateway's answer, with what of it decides what to do next. */
class Refusal extends Error {
  readonly serverTime: number | null;
  readonly work: WorkAnnouncement | null;
  readonly retryAfterMs: number;

  constructor(readonly gateway: GatewayError, body: Record<string, unknown> | null, retryAfter: string | null) {
    super(gateway.message);
    const error = body?.['error'] as Record<string, unknown> | undefined;
    const serverTime = error?.['server_time'];
    this.serverTime = Number.isSafeInteger(serverTime) ? (serverTime as number) : null;
    this.work = readWork(error?.['work']);
    this.retryAfterMs = retryAfter !== null && /^\d{1,6}$/.test(retryAfter) ? Number(retryAfter) * 1000 : 0;
  }
}

async function refusal(response: TransportResponse): Promise<Refusal> {
  const body = parseObject(await readAll(response, MAX_ERROR));
  return new Refusal(readError(response.status, body, null), body, response.header('retry-after'));
}

async function readAll(response: TransportResponse, most: number): Promise<string> {
  let text = '';
  for await (const piece of response.text) {
    text += piece;
    if (text.length > most) throw new NetworkError('The answer is far longer than any of a gateway.');
  }
  return text;
}

/** What stands for a plain request in a stamp: SHA-256(path ‖ 00 ‖ body). */
function digestOf(request: PreparedRequest): Bytes {
  return sha256(concat(utf8(request.path), new Uint8Array(1), utf8(request.body ?? ''))) as Bytes;
}

function readPin(key: string | Uint8Array): Bytes {
  const bytes = typeof key !== 'string' ? concat(key) : /^[0-9a-fA-F]{64}$/.test(key) ? Uint8Array.from(key.match(/../g)!, (pair) => parseInt(pair, 16)) : fromBase64Url(key);
  if (bytes?.length !== 32) throw new TypeError('directoryKey is no Ed25519 key: 32 bytes, in base64url or hexadecimal.');
  return bytes;
}

function randomness(given: ((size: number) => Uint8Array) | undefined): (size: number) => Bytes {
  if (given !== undefined) {
    return (size) => {
      const bytes = concat(given(size));
      if (bytes.length !== size) throw new UnsupportedError('randomBytes gave another number of bytes than it was asked for.');
      return bytes;
    };
  }
  if (typeof globalThis.crypto?.getRandomValues !== 'function') throw new UnsupportedError('This platform has no crypto.getRandomValues: give randomBytes.');
  return (size) => globalThis.crypto.getRandomValues(new Uint8Array(size));
}
