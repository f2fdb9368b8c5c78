import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { expand, extract } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { concat, equal, fromBase64Url, fromUtf8, parseObject, uint, utf8, type Bytes } from './bytes.js';
import { EncryptionError, type EncryptionFailure } from './errors.js';
import type { ReplySecret } from './request.js';

const MAX_CHUNK = 16384;
const TAG = 16;
const MAX_LINE = Math.ceil(((MAX_CHUNK + TAG) * 4) / 3) + 64;

export interface ReplyHead {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Opens a sealed reply as its text comes (docs/protocol.md, "Sealed chat", Reply). An error is for ever: of the chunk that made it, and of all behind it, nothing
 * is given out.
 */
export class SealedReplyReader {
  head: ReplyHead | null = null;
  /** They come with the end; null where there are none. */
  trailers: Readonly<Record<string, string>> | null = null;
  /** Whether the final chunk came. */
  isWhole = false;

  private line = '';
  private event: string | null = null;
  private data: string | null = null;
  private key: Bytes | null = null;
  private nonce: Bytes | null = null;
  private next = 0;
  private failed: EncryptionError | null = null;

  constructor(private readonly secret: ReplySecret) {}

  /** @returns The bytes of the body that this text completed, chunk by chunk; those before a failure come with it, see {@link Pushed}. */
  push(text: string): Pushed {
    const body: Bytes[] = [];
    try {
      if (this.failed !== null) throw this.failed;
      let at = 0;
      for (let end = text.indexOf('\n'); end >= 0; at = end + 1, end = text.indexOf('\n', at)) {
        this.line += text.slice(at, end);
        this.checkLine();
        const line = this.line.endsWith('\r') ? this.line.slice(0, -1) : this.line;
        this.line = '';
        this.takeLine(line, body);
      }
      this.line += text.slice(at);
      this.checkLine();
      return { body, failure: null };
    } catch (error) {
      if (!(error instanceof EncryptionError)) throw error;
      this.failed = error;
      return { body, failure: error };
    }
  }

  /** The response has ended: fails unless the reply is whole. */
  complete(cause?: unknown): void {
    if (this.failed !== null) throw this.failed;
    if (!this.isWhole) throw (this.failed = new EncryptionError('reply-truncated', 'The reply ended without its final chunk; what came is a beginning.', { cause }));
    if (this.line !== '' || this.event !== null || this.data !== null) throw (this.failed = fail('reply-continued'));
  }

  private checkLine(): void {
    if (this.line.length > MAX_LINE) throw fail(this.isWhole ? 'reply-continued' : 'reply-malformed');
  }

  private takeLine(line: string, body: Bytes[]): void {
    if (line === '') {
      if (this.event === null && this.data === null) return;
      const { event, data } = this;
      this.event = this.data = null;
      if (this.isWhole) throw fail('reply-continued');
      if (event === null || data === null) throw fail('reply-malformed');
      if (event === 'head') this.takeHead(data);
      else this.takeChunk(data, event === 'final', body);
    } else if (line.startsWith(':')) {
      // A comment.
    } else if (this.isWhole) {
      throw fail('reply-continued');
    } else if (line.startsWith('event:') && this.event === null) {
      this.event = valueOf(line, 6);
      if (this.event !== 'head' && this.event !== 'chunk' && this.event !== 'final') throw fail('reply-malformed');
    } else if (line.startsWith('data:') && this.data === null) {
      this.data = valueOf(line, 5);
    } else {
      throw fail('reply-malformed');
    }
  }

  private takeHead(data: string): void {
    const head = parseObject(data);
    const requestId = bytesOf(head?.['request_id']);
    const responseNonce = bytesOf(head?.['response_nonce']);
    if (this.key !== null || requestId?.length !== 16 || responseNonce?.length !== 16) throw fail('reply-malformed');
    if (!equal(requestId, this.secret.requestId)) throw fail('other-request');
    const prk = extract(sha256, this.secret.secret, concat(this.secret.encapsulatedKey, responseNonce));
    this.key = concat(expand(sha256, prk, utf8('key'), 32));
    this.nonce = concat(expand(sha256, prk, utf8('nonce'), 12));
  }

  private takeChunk(data: string, isFinal: boolean, body: Bytes[]): void {
    const ciphertext = fromBase64Url(data);
    if (this.key === null || this.nonce === null || ciphertext === null || ciphertext.length <= TAG || ciphertext.length > MAX_CHUNK + TAG) {
      throw fail('reply-malformed');
    }

    const nonce = this.nonce.slice();
    uint(this.next, 8).forEach((byte, at) => (nonce[4 + at]! ^= byte));
    let frames: Uint8Array;
    try {
      frames = chacha20poly1305(this.key, nonce, concat(this.secret.requestId, utf8(isFinal ? 'final' : 'chunk'))).decrypt(ciphertext);
    } catch {
      throw fail('chunk-unopenable');
    }
    this.next++;
    this.takeFrames(frames, isFinal, body);
    this.isWhole = isFinal;
  }

  /** All frames of a chunk, or none: `u8 type ‖ u32 length ‖ payload`. */
  private takeFrames(frames: Uint8Array, isFinal: boolean, body: Bytes[]): void {
    let { head, trailers } = this;
    const pieces: Bytes[] = [];
    let at = 0;
    while (at < frames.length && frames[at] !== 0) {
      if (frames.length - at < 5) throw fail('frames-malformed');
      const length = new DataView(frames.buffer, frames.byteOffset + at + 1, 4).getUint32(0);
      if (length > frames.length - at - 5) throw fail('frames-malformed');
      const type = frames[at]!;
      const payload = frames.slice(at + 5, at + 5 + length);
      at += 5 + length;
      if ((type === 1) === (head !== null) || trailers !== null) throw fail('frames-malformed');
      if (type === 1) head = readHead(payload);
      else if (type === 2) pieces.push(concat(payload));
      else if (type === 3) trailers = strings(parseObject(fromUtf8(payload)));
      else throw fail('frames-malformed');
    }
    if (frames.subarray(at).some((byte) => byte !== 0) || (isFinal && head === null)) throw fail('frames-malformed');
    this.head = head;
    this.trailers = trailers;
    body.push(...pieces);
  }
}

export interface Pushed {
  readonly body: readonly Bytes[];
  readonly failure: EncryptionError | null;
}

function readHead(payload: Uint8Array): ReplyHead {
  const head = parseObject(fromUtf8(payload));
  const status = head?.['status'];
  if (!Number.isInteger(status) || (status as number) < 100 || (status as number) > 999) throw fail('frames-malformed');
  return { status: status as number, headers: strings(head?.['headers']) };
}

function strings(value: unknown): Record<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw fail('frames-malformed');
  const entries = Object.entries(value);
  if (entries.some(([, text]) => typeof text !== 'string')) throw fail('frames-malformed');
  return Object.fromEntries(entries) as Record<string, string>;
}

const MESSAGES: Partial<Record<EncryptionFailure, string>> = {
  'reply-malformed': 'What came is no sealed reply.',
  'other-request': 'The reply is one to another request.',
  'chunk-unopenable': 'A chunk of the reply does not open: it was changed, moved or repeated on the way.',
  'frames-malformed': 'A chunk of the reply opens, and what is in it is not as the protocol says.',
  'reply-continued': 'Something came behind the final chunk of the reply.',
};

const fail = (failure: EncryptionFailure): EncryptionError => new EncryptionError(failure, MESSAGES[failure] ?? failure);
const valueOf = (line: string, at: number): string => line.slice(line[at] === ' ' ? at + 1 : at);
const bytesOf = (value: unknown): Bytes | null => (typeof value === 'string' ? fromBase64Url(value) : null);
