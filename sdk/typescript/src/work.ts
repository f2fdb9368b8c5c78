import { sha256 } from '@noble/hashes/sha2.js';
import { concat, fromBase64Url, toBase64Url, utf8, type Bytes } from './bytes.js';
import { AbortedError, UnsupportedError } from './errors.js';

/** What a gateway asks for before it takes a request (docs/protocol.md, "Proof of work"). `until` is UNIX seconds. */
export interface WorkAnnouncement {
  readonly challenge: Bytes;
  readonly bits: number;
  readonly until: number;
}

const LABEL = utf8('tacit work v1');
const BATCH = 1024;

/** Null where there is none, or none that can be read. */
export function readWork(value: unknown): WorkAnnouncement | null {
  const work = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  const { challenge: text, bits, until } = work;
  const challenge = typeof text === 'string' ? fromBase64Url(text) : null;
  return challenge?.length === 16 && Number.isSafeInteger(bits) && Number.isSafeInteger(until) && (bits as number) >= 0
    ? { challenge, bits: bits as number, until: until as number }
    : null;
}

/**
 * Finds a stamp, `<challenge>.<counter>`. Lets other work of the page or app run between batches.
 * @param digest Of the request, 32 bytes.
 * @param maxBits More is refused: what a gateway may make this device do.
 * @param start 8 random bytes; a stamp is taken once only.
 */
export async function solveWork(work: WorkAnnouncement, digest: Bytes, start: Bytes, maxBits: number, signal?: AbortSignal): Promise<string> {
  if (work.bits > maxBits) throw new UnsupportedError(`The gateway asks for ${work.bits} bits of work; this client does ${maxBits} at most (maxWorkBits).`);
  const message = concat(LABEL, work.challenge, digest, start);
  const counter = message.subarray(message.length - 8);
  for (;;) {
    for (let i = 0; i < BATCH; i++) {
      if (leadingZeros(sha256(message)) >= work.bits) return `${toBase64Url(work.challenge)}.${toBase64Url(counter)}`;
      increment(counter);
    }
    if (signal?.aborted) throw new AbortedError();
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

function increment(counter: Uint8Array): void {
  for (let at = counter.length - 1; at >= 0; at--) {
    counter[at] = (counter[at]! + 1) & 255;
    if (counter[at] !== 0) return;
  }
}

function leadingZeros(hash: Uint8Array): number {
  let bits = 0;
  for (const byte of hash) {
    if (byte !== 0) return bits + Math.clz32(byte) - 24;
    bits += 8;
  }
  return bits;
}
