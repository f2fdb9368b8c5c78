import { concat, toBase64Url, uint, utf8, type Bytes } from './bytes.js';
import { seal } from './hpke.js';
import type { SealingKey } from './keys.js';

export const CHAT_PATH = '/api/chat';
const LABEL = utf8('tacit sealed chat v1');
const REQUEST_LABEL = utf8('tacit sealed chat v1 request');
const REPLY_LABEL = utf8('tacit sealed chat v1 reply');
const SMALL_BUCKETS = [1024, 4096, 16384];
const LARGE_BUCKET = 65536;
const ZERO = new Uint8Array(1);

/** What the reply to one request is opened with. For one reply only. */
export interface ReplySecret {
  readonly requestId: Bytes;
  readonly encapsulatedKey: Bytes;
  readonly secret: Bytes;
}

export interface SealedRequest {
  readonly envelope: {
    readonly encapsulated_key: string;
    readonly ciphertext: string;
    readonly aad: string;
    readonly timestamp: number;
    readonly request_id: string;
  };
  readonly encapsulatedKey: Bytes;
  readonly ciphertext: Bytes;
  readonly reply: ReplySecret;
}

/** `inner` sealed to a key (docs/protocol.md, "Sealed chat", Request). */
export async function sealRequest(key: Pick<SealingKey, 'id' | 'config' | 'publicKey'>, inner: Bytes, timestamp: number, requestId: Bytes, ephemeral: Bytes): Promise<SealedRequest> {
  const path = utf8(CHAT_PATH);
  const aad = concat(LABEL, ZERO, uint(key.id, 1), uint(path.length, 2), path, uint(timestamp, 8), requestId);
  const sealed = await seal(key.publicKey, concat(REQUEST_LABEL, ZERO, key.config), aad, padded(inner), REPLY_LABEL, 32, ephemeral);
  return {
    envelope: {
      encapsulated_key: toBase64Url(sealed.encapsulatedKey),
      ciphertext: toBase64Url(sealed.ciphertext),
      aad: toBase64Url(aad),
      timestamp,
      request_id: toBase64Url(requestId),
    },
    encapsulatedKey: sealed.encapsulatedKey,
    ciphertext: sealed.ciphertext,
    reply: { requestId, encapsulatedKey: sealed.encapsulatedKey, secret: sealed.exported },
  };
}

/** Length, inner, and zeros up to the smallest bucket that fits. */
export function padded(inner: Bytes): Bytes {
  const size = inner.length + 4;
  const bucket = SMALL_BUCKETS.find((small) => size <= small) ?? Math.ceil(size / LARGE_BUCKET) * LARGE_BUCKET;
  const plaintext = new Uint8Array(bucket);
  plaintext.set(uint(inner.length, 4));
  plaintext.set(inner, 4);
  return plaintext;
}
