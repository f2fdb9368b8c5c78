// An independent HPKE (RFC 9180): opens what we sealed, seals what we open.   (prints one JSON line)
// Usage: node hpke.mjs CASES    with CASES a JSON array; bytes are hex
import { Aes128Gcm, Aes256Gcm, CipherSuite, HkdfSha256 } from '@hpke/core';
import { Chacha20Poly1305 } from '@hpke/chacha20poly1305';
import { DhkemX25519HkdfSha256 } from '@hpke/dhkem-x25519';

const bytes = (hex) => Uint8Array.from(Buffer.from(hex, 'hex')).buffer;
const hex = (buffer) => Buffer.from(buffer).toString('hex');
const aeads = { 1: Aes128Gcm, 2: Aes256Gcm, 3: Chacha20Poly1305 };

const results = [];
for (const given of JSON.parse(process.argv[2])) {
  const suite = new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new aeads[given.aead]() });
  const pair = async ({ privateKey, publicKey }) => ({
    privateKey: await suite.kem.importKey('raw', bytes(privateKey), false),
    publicKey: await suite.kem.importKey('raw', bytes(publicKey), true),
  });
  const recipientKey = await pair(given.recipient);
  const senderKey = given.sender ? await pair(given.sender) : undefined;
  const shared = { info: bytes(given.info), psk: given.psk ? { id: bytes(given.psk.id), key: bytes(given.psk.key) } : undefined };
  const aad = bytes(given.aad);

  const recipient = await suite.createRecipientContext(
    { ...shared, recipientKey, enc: bytes(given.encapsulated), senderPublicKey: senderKey?.publicKey });
  const opened = [];
  for (const ciphertext of given.ciphertexts) opened.push(hex(await recipient.open(bytes(ciphertext), aad)));
  const repeated = await recipient.open(bytes(given.ciphertexts[0]), aad).then(() => 'opened', (e) => e.constructor.name);

  const sender = await suite.createSenderContext({ ...shared, recipientPublicKey: recipientKey.publicKey, senderKey });
  const sealed = [];
  for (const plaintext of given.plaintexts) sealed.push(hex(await sender.seal(bytes(plaintext), aad)));

  results.push({
    opened,
    repeated,
    ourExport: hex(await recipient.export(bytes(given.exporterContext), 48)),
    encapsulated: hex(sender.enc),
    sealed,
    theirExport: hex(await sender.export(bytes(given.exporterContext), 48)),
  });
}
console.log(JSON.stringify(results));
