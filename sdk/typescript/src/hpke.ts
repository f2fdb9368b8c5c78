import { Dhkem, HkdfSha256Native, KemId, toArrayBuffer } from '@hpke/common';
import { CipherSuite } from '@hpke/core';
import { Chacha20Poly1305 } from '@hpke/chacha20poly1305';
import { X25519 } from '@hpke/dhkem-x25519';
import { x25519 } from '@noble/curves/ed25519.js';
import { expand, extract } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import type { Bytes } from './bytes.js';

type Data = ArrayBufferLike | ArrayBufferView;

const view = (data: Data): Uint8Array => new Uint8Array(toArrayBuffer(data));
const buffer = (bytes: Uint8Array): ArrayBuffer => toArrayBuffer(bytes);

/** HKDF of @noble/hashes in the place of WebCrypto's, which @hpke/core would ask for and phones don't have. */
class PortableHkdf extends HkdfSha256Native {
  protected override async _setup(): Promise<void> {}

  override async extract(salt: Data, ikm: Data): Promise<ArrayBuffer> {
    return buffer(extract(sha256, view(ikm), view(salt)));
  }

  override async expand(prk: Data, info: Data, length: number): Promise<ArrayBuffer> {
    return buffer(expand(sha256, view(prk), view(info), length));
  }

  override async extractAndExpand(salt: Data, ikm: Data, info: Data, length: number): Promise<ArrayBuffer> {
    return buffer(expand(sha256, extract(sha256, view(ikm), view(salt)), view(info), length));
  }
}

class PortableX25519 extends Dhkem {
  override readonly secretSize = 32;
  override readonly encSize = 32;
  override readonly publicKeySize = 32;
  override readonly privateKeySize = 32;

  constructor() {
    const kdf = new PortableHkdf();
    super(KemId.DhkemX25519HkdfSha256, new X25519(kdf), kdf);
  }
}

class PortableSuite extends CipherSuite {
  protected override async _setup(): Promise<void> {}
}

export interface Sealed {
  readonly encapsulatedKey: Bytes;
  readonly ciphertext: Bytes;
  readonly exported: Bytes;
}

/**
 * RFC 9180, base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305: one message, and a secret that both sides export.
 * @param ephemeral 32 random bytes, used for nothing else.
 */
export async function seal(
  publicKey: Bytes, info: Bytes, aad: Bytes, plaintext: Bytes, exporterContext: Bytes, exportSize: number, ephemeral: Bytes,
): Promise<Sealed> {
  const suite = new PortableSuite({ kem: new PortableX25519(), kdf: new PortableHkdf(), aead: new Chacha20Poly1305() });
  const key = (bytes: Uint8Array, isPublic: boolean) => suite.kem.importKey('raw', buffer(bytes), isPublic);
  const sender = await suite.createSenderContext({
    recipientPublicKey: await key(publicKey, true),
    info: buffer(info),
    // By the ladder: getPublicKey would blind its table with randomness of WebCrypto's.
    ekm: { privateKey: await key(ephemeral, false), publicKey: await key(x25519.scalarMult(ephemeral, x25519.GuBytes), true) },
  });
  return {
    encapsulatedKey: new Uint8Array(sender.enc),
    ciphertext: new Uint8Array(await sender.seal(buffer(plaintext), buffer(aad))),
    exported: new Uint8Array(await sender.export(buffer(exporterContext), exportSize)),
  };
}
