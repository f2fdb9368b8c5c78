// Bytes and their written forms.

export type Bytes = Uint8Array<ArrayBuffer>;

export function join(...parts: Uint8Array[]): Bytes {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

export const equal = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, i) => byte === b[i]);

export const utf8 = (text: string): Bytes => new TextEncoder().encode(text) as Bytes;

export const u16 = (value: number): Bytes => Uint8Array.of(value >> 8, value & 0xff);

export const hex = (bytes: Uint8Array): string => Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('');

export const sha256 = async (bytes: Bytes): Promise<Bytes> => new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));

export const random = (size: number): Bytes => crypto.getRandomValues(new Uint8Array(size));

/** base64url with or without padding (RFC 4648 section 5). */
export function fromBase64Url(text: string): Bytes {
  const binary = atob(text.replace(/=+$/, '').replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(binary, character => character.charCodeAt(0));
}

export function toBase64Url(bytes: Uint8Array, padded = true): string {
  const text = btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_');
  return padded ? text : text.replace(/=+$/, '');
}

export const toNumber = (bytes: Uint8Array): bigint => BigInt(`0x${hex(bytes) || '0'}`);

export function toBytes(value: bigint, size: number): Bytes {
  const text = value.toString(16).padStart(size * 2, '0');
  return Uint8Array.from({ length: size }, (_, i) => parseInt(text.slice(i * 2, i * 2 + 2), 16));
}
