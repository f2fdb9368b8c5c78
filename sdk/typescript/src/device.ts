import { ed25519 } from '@noble/curves/ed25519.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { equal, fromBase64Url, toBase64, toBase64Url, utf8, type Bytes } from './bytes.js';
import { DeviceKeyError } from './errors.js';

/**
 * Where small secrets are kept: the device's key. In memory by default; a phone gives its secure storage (Keychain, Keystore), which may ask for a face or a finger
 * at `get`. It may reject; the request then fails with a DeviceKeyError.
 */
export interface KeyStore {
  get(name: string): Promise<string | null>;
  set(name: string, value: string): Promise<void>;
  delete(name: string): Promise<void>;
}

/** Forgets everything with the page or process. */
export class MemoryKeyStore implements KeyStore {
  private readonly values = new Map<string, string>();

  async get(name: string): Promise<string | null> {
    return this.values.get(name) ?? null;
  }

  async set(name: string, value: string): Promise<void> {
    this.values.set(name, value);
  }

  async delete(name: string): Promise<void> {
    this.values.delete(name);
  }
}

/** An Ed25519 key that signs; for hardware that never gives its key away, in the place of {@link StoredDeviceKey}. */
export interface DeviceKey {
  /** 32 bytes. */
  publicKey(): Promise<Uint8Array>;
  /** 64 bytes. */
  sign(message: Uint8Array): Promise<Uint8Array>;
}

/**
 * A key that is made at its first use and kept in a store. All requests signed by it are linkable to each other. Needs `crypto.getRandomValues`, with which
 * @noble/curves blinds what it does with secrets; React Native has it by `react-native-get-random-values`.
 */
export class StoredDeviceKey implements DeviceKey {
  private asking: Promise<Bytes> | null = null;
  /** So that the store, and with it the owner, is asked once a request, for the signature. */
  private known: Uint8Array | null = null;

  constructor(private readonly store: KeyStore, private readonly randomBytes: (size: number) => Bytes, private readonly name = 'tacit-device-key') {}

  async publicKey(): Promise<Uint8Array> {
    return (this.known ??= ed25519.getPublicKey(await this.seed()));
  }

  async sign(message: Uint8Array): Promise<Uint8Array> {
    const seed = await this.seed();
    const publicKey = ed25519.getPublicKey(seed);
    if (this.known !== null && !equal(this.known, publicKey)) {
      this.known = null;
      throw new DeviceKeyError('The store has another device key than before.');
    }
    this.known = publicKey;
    return ed25519.sign(message, seed);
  }

  /** Whoever asks meanwhile gets the same answer: two requests at once make one key, and ask its owner once. */
  private seed(): Promise<Bytes> {
    return (this.asking ??= this.load().finally(() => (this.asking = null)));
  }

  private async load(): Promise<Bytes> {
    const kept = await this.store.get(this.name);
    const seed = kept === null ? this.randomBytes(32) : fromBase64Url(kept);
    if (seed?.length !== 32) throw new DeviceKeyError('What the store has under the name of the device key is none.');
    if (kept === null) await this.store.set(this.name, toBase64Url(seed));
    return seed;
  }
}

/**
 * The headers of docs/protocol.md, "Devices" (RFC 9421, ed25519; RFC 9530), which travel inside the ciphertext.
 * @param nonce 16 bytes: the identity of the request, the same at a retry.
 */
export async function signedHeaders(
  key: DeviceKey, method: string, path: string, body: Bytes, nonce: Bytes, createdSeconds: number,
): Promise<Record<string, string>> {
  try {
    const publicKey = toBase64Url(await key.publicKey());
    const digest = `sha-256=:${toBase64(sha256(body))}:`;
    const parameters = `("@method" "@path" "content-digest");created=${createdSeconds};keyid="${publicKey}";nonce="${toBase64Url(nonce)}";alg="ed25519"`;
    const base = `"@method": ${method}\n"@path": ${path}\n"content-digest": ${digest}\n"@signature-params": ${parameters}`;
    const signature = await key.sign(utf8(base));
    return { 'content-digest': digest, 'signature-input': `tacit=${parameters}`, signature: `tacit=:${toBase64(signature)}:` };
  } catch (error) {
    if (error instanceof DeviceKeyError) throw error;
    throw new DeviceKeyError('The device key could not sign: its store or its owner refused.', { cause: error });
  }
}
