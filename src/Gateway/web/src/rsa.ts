// The one key that a plan has for a day: RSA-PSS of 2048 bits, blinded as in RFC 9474 (RSABSSA-SHA384-PSS-Deterministic) by Cloudflare's library.
import { RSABSSA } from '@cloudflare/blindrsa-ts';
import { type Bytes, sha256, toBase64Url, toBytes, toNumber } from './bytes';

const suite = RSABSSA.SHA384.PSS.Deterministic();
export const modulusSize = 256;

export interface TokenKey {
  readonly id: Bytes;
  readonly n: bigint;
  readonly e: bigint;
  readonly key: CryptoKey;
}

/** What only the browser that blinded knows: the inverse of the blinding factor. */
export interface Blinded {
  readonly element: Bytes;
  readonly inverse: Bytes;
}

/** A key as the directory has it: a SubjectPublicKeyInfo with the algorithm RSASSA-PSS, which WebCrypto takes only as a JSON Web Key. */
export async function importKey(spki: Bytes): Promise<TokenKey> {
  const info = read(spki, 0, 0x30);
  const bits = read(spki, read(spki, info.start, 0x30).end, 0x03);
  const rsa = read(spki, bits.start + 1, 0x30);
  const n = read(spki, rsa.start, 0x02);
  const e = read(spki, n.end, 0x02);
  const number = (part: { start: number; end: number }) => toNumber(spki.subarray(part.start, part.end));
  const unsigned = (part: { start: number; end: number }) => spki.subarray(spki[part.start] === 0 ? part.start + 1 : part.start, part.end);
  const key = await crypto.subtle.importKey(
    'jwk',
    { kty: 'RSA', alg: 'PS384', ext: true, key_ops: ['verify'], n: toBase64Url(unsigned(n), false), e: toBase64Url(unsigned(e), false) },
    { name: 'RSA-PSS', hash: 'SHA-384' }, true, ['verify']);
  return { id: await sha256(spki), n: number(n), e: number(e), key };
}

export async function blind(key: TokenKey, message: Bytes): Promise<Blinded> {
  const { blindedMsg, inv } = await suite.blind(key.key, suite.prepare(message));
  return { element: new Uint8Array(blindedMsg), inverse: new Uint8Array(inv) };
}

/** Takes the blinding off; throws unless what comes out is a signature that everybody can verify. */
export async function finalize(key: TokenKey, message: Bytes, blindSignature: Bytes, blinded: Blinded): Promise<Bytes> {
  return new Uint8Array(await suite.finalize(key.key, suite.prepare(message), blindSignature, blinded.inverse));
}

/**
 * The one factor that takes this signing to this token, whether they belong together or not: blind signature = token's signature × r, so r is the quotient. With it the element is the
 * token's message, blinded: element = message × rᵉ. Throws if it is not, which cannot be for two good signatures of one key.
 */
export function factorBetween(key: TokenKey, element: Bytes, blindSignature: Bytes, signature: Bytes): Bytes {
  const token = toNumber(signature);
  const factor = (toNumber(blindSignature) * inverse(token, key.n)) % key.n;
  const message = power(token, key.e, key.n);
  if ((message * power(factor, key.e, key.n)) % key.n !== toNumber(element)) {
    throw new Error('The factor does not fit.');
  }
  return toBytes(factor, modulusSize);
}

/** The blinding factor itself, from its inverse. */
export const factorOf = (key: TokenKey, blinded: Blinded): Bytes => toBytes(inverse(toNumber(blinded.inverse), key.n), modulusSize);

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n;
  for (let square = base % modulus; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) {
      result = (result * square) % modulus;
    }
    square = (square * square) % modulus;
  }
  return result;
}

function inverse(value: bigint, modulus: bigint): bigint {
  let [a, b, x, y] = [value % modulus, modulus, 1n, 0n];
  while (b > 0n) {
    const quotient = a / b;
    [a, b] = [b, a % b];
    [x, y] = [y, x - quotient * y];
  }
  return ((x % modulus) + modulus) % modulus;
}

/** One element of DER with this tag. */
function read(der: Uint8Array, at: number, tag: number): { start: number; end: number } {
  let size = der[at + 1] ?? 0;
  let start = at + 2;
  if (size >= 0x80) {
    const count = size & 0x7f;
    size = Number(toNumber(der.subarray(start, start + count)));
    start += count;
  }
  if (der[at] !== tag || start + size > der.length) {
    throw new Error('This is no RSA key.');
  }
  return { start, end: start + size };
}
