export { TacitClient, type PreparedRequest, type RequestOptions, type TacitClientOptions } from './client.js';
export { Reply, type ServerSentEvent } from './chat.js';
export {
  AbortedError, DeviceKeyError, EncryptionError, GatewayError, NetworkError, RateLimitError, RotationError, TacitError, UnsupportedError, type EncryptionFailure,
} from './errors.js';
export { MemoryKeyStore, StoredDeviceKey, type DeviceKey, type KeyStore } from './device.js';
export { type KeyEvidence, type SealingKey } from './keys.js';
export { type RateLimit } from './limiter.js';
export { fetchTransport, xhrTransport, type Transport, type TransportRequest, type TransportResponse } from './transport.js';
// The wire by itself, for other clients of the protocol and for tests against its worked example.
export { sealRequest, type ReplySecret, type SealedRequest } from './request.js';
export { SealedReplyReader, type Pushed, type ReplyHead } from './reply.js';
export { solveWork, type WorkAnnouncement } from './work.js';
