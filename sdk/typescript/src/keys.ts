import { ed25519 } from '@noble/curves/ed25519.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { concat, fromBase64Url, parseObject, uint, utf8, type Bytes } from './bytes.js';
import { EncryptionError } from './errors.js';
import { readWork, type WorkAnnouncement } from './work.js';

const KEM_X25519 = 0x0020;
const ALGORITHMS = Uint8Array.of(0, 1, 0, 3, 0, 1, 0, 1, 0, 1, 0, 2);
const MAX_DOCUMENT = 1 << 20;

/** What attests a key; this client shows it and does not judge it. */
export interface KeyEvidence {
  readonly format: string;
  readonly data: Bytes;
}

/** A key that the pinned directory key vouches for. Times are UNIX seconds; `notAfter` is the first moment at which it is used no more. */
export interface SealingKey {
  readonly id: number;
  readonly config: Bytes;
  readonly publicKey: Bytes;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly evidence: KeyEvidence | null;
}

export interface KeyDocument {
  readonly serverTime: number;
  readonly keys: readonly SealingKey[];
  readonly work: WorkAnnouncement | null;
}

/**
 * Reads and checks what `GET /api/pubkey` gave. Keys of KEMs that this client does not know are checked and passed over.
 * @param gateway The name that the statements must be of: one directory key may sign for several gateways.
 * @param directoryKey Ed25519, 32 bytes, pinned.
 * @throws EncryptionError Where anything in it is not as the protocol says, or not signed by the pinned key.
 */
export function readKeyDocument(text: string, gateway: string, directoryKey: Bytes): KeyDocument {
  const document = text.length <= MAX_DOCUMENT ? parseObject(text) : null;
  const list = document?.['keys'];
  const serverTime = document?.['server_time'];
  if (document === null || !Array.isArray(list) || list.length > 64 || !isTime(serverTime)) throw malformed('it is no list of keys');
  if (document['gateway'] !== gateway) {
    throw new EncryptionError('key-untrusted', `The keys are those of ${JSON.stringify(document['gateway'])}, not of ${JSON.stringify(gateway)}.`);
  }

  const all = list.map((entry: unknown) => readKey(entry, gateway, directoryKey));
  checkTogether(all);
  const keys = all.filter((key) => key.kem === KEM_X25519).map(({ kem: _, ...key }) => key);
  return { serverTime, keys, work: readWork(document['work']) };
}

/**
 * Whether `later` may be what the gateway shows after `earlier`: a key is for its time once and for all, so another one for a time that overlaps was made for
 * somebody alone. A key that was shown stays shown until its time is over.
 * @throws EncryptionError Where it may not.
 */
export function checkFollows(later: KeyDocument, earlier: KeyDocument): void {
  for (const key of later.keys) {
    if (earlier.keys.some((before) => key.notBefore < before.notAfter && before.notBefore < key.notAfter && !sameBytes(key.config, before.config))) {
      throw new EncryptionError('key-untrusted', 'The gateway shows another sealing key than before for the same time.');
    }
  }
}

/** The key whose time it is, by the caller's own clock: nobody on the way can bring back one whose time is over. */
export function keyAt(keys: readonly SealingKey[], nowMs: number): SealingKey | null {
  return keys.find((key) => key.notBefore * 1000 <= nowMs && nowMs < key.notAfter * 1000) ?? null;
}

function readKey(entry: unknown, gateway: string, directoryKey: Bytes): SealingKey & { kem: number } {
  const key = typeof entry === 'object' && entry !== null ? (entry as Record<string, unknown>) : {};
  const config = bytesOf(key['config']);
  const signature = bytesOf(key['signature']);
  const notBefore = key['not_before'];
  const notAfter = key['not_after'];
  if (config === null || config.length < 5 || signature?.length !== 64 || !isTime(notBefore) || !isTime(notAfter) || notAfter <= notBefore) {
    throw malformed('a key lacks a member');
  }

  const evidence = key['evidence'] === undefined ? null : readEvidence(key['evidence']);
  const statement = concat(
    utf8('tacit sealing key v1'), uint(0, 1), vec(utf8(gateway), 1), vec(config, 2), uint(notBefore, 8), uint(notAfter, 8),
    evidence === null ? uint(0, 1) : concat(vec(utf8(evidence.format), 1), sha256(evidence.data)));
  if (!verify(signature, statement, directoryKey)) {
    throw new EncryptionError('key-untrusted', 'A sealing key is not signed by the pinned directory key.');
  }

  // RFC 9458, section 3.1: key id, KEM, public key, and the algorithms behind their length.
  const kem = (config[1]! << 8) | config[2]!;
  const publicKey = config.slice(3, 35);
  if (kem === KEM_X25519 && !(config.length === 35 + 2 + ALGORITHMS.length && sameBytes(config.slice(35), concat(uint(ALGORITHMS.length, 2), ALGORITHMS)))) {
    throw malformed('a key configuration has other algorithms than the protocol’s');
  }
  return { id: config[0]!, kem, config, publicKey, notBefore, notAfter, evidence };
}

/** Ids are unlike, and of one KEM each begins where the one before has ended, or later. */
function checkTogether(keys: readonly (SealingKey & { kem: number })[]): void {
  const ids = new Set<number>();
  const ends = new Map<number, number>();
  for (const key of keys) {
    if (ids.has(key.id)) throw malformed('two keys share an id');
    if (key.notBefore < (ends.get(key.kem) ?? -Infinity)) throw malformed('keys overlap or go back in time');
    ids.add(key.id);
    ends.set(key.kem, key.notAfter);
  }
}

function readEvidence(value: unknown): KeyEvidence {
  const evidence = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  const format = evidence['format'];
  const data = bytesOf(evidence['data']);
  if (typeof format !== 'string' || format.length === 0 || utf8(format).length > 255 || data === null) throw malformed('evidence is no format and data');
  return { format, data };
}

function verify(signature: Bytes, message: Bytes, publicKey: Bytes): boolean {
  try {
    return ed25519.verify(signature, message, publicKey, { zip215: false });
  } catch {
    return false;
  }
}

const vec = (data: Uint8Array, lengthSize: number): Bytes => concat(uint(data.length, lengthSize), data);
const bytesOf = (value: unknown): Bytes | null => (typeof value === 'string' ? fromBase64Url(value) : null);
const isTime = (value: unknown): value is number => Number.isSafeInteger(value);
const sameBytes = (one: Uint8Array, other: Uint8Array): boolean => one.length === other.length && one.every((byte, at) => byte === other[at]);
const malformed = (why: string): EncryptionError => new EncryptionError('key-document-malformed', `The gateway's key document can't be used: ${why}.`);
