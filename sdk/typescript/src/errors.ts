/** What every failure of this client is. `kind` is the same as the class, for code that bundlers have renamed classes in. */
export abstract class TacitError extends Error {
  abstract readonly kind: 'encryption' | 'network' | 'rate-limit' | 'rotation' | 'gateway' | 'aborted' | 'device' | 'unsupported';

  constructor(message: string, options?: { cause?: unknown }) {
    super(message);
    this.name = new.target.name;
    if (options?.cause !== undefined) Object.defineProperty(this, 'cause', { value: options.cause, enumerable: false });
  }
}

export type EncryptionFailure =
  | 'key-document-malformed'
  | 'key-untrusted' // a statement that the pinned key did not sign, of another gateway, or of another key for a time that had one
  | 'certificate-untrusted'
  | 'reply-malformed'
  | 'other-request' // the head names another request
  | 'chunk-unopenable' // changed, moved, repeated, or of another reply
  | 'frames-malformed'
  | 'reply-truncated' // ended without its final chunk
  | 'reply-continued'; // goes on behind it

/** Something between here and the gateway is not what it should be. Nothing of the chunk that showed it was given out. */
export class EncryptionError extends TacitError {
  readonly kind = 'encryption';

  constructor(readonly failure: EncryptionFailure, message: string, options?: { cause?: unknown }) {
    super(message, options);
  }
}

/** The gateway was not reached, or the connection broke before the reply began. The same prepared request may be sent again. */
export class NetworkError extends TacitError {
  readonly kind = 'network';
}

/** Too many requests: by this client's own limit, or by the gateway's. */
export class RateLimitError extends TacitError {
  readonly kind = 'rate-limit';

  constructor(message: string, readonly source: 'client' | 'gateway', readonly retryAfterMs: number, readonly code?: string, readonly isSealed: boolean = false) {
    super(message);
  }
}

/** The gateway has no sealing key that both it and this client would use now. */
export class RotationError extends TacitError {
  readonly kind = 'rotation';
}

/** The gateway's own answer: an error of docs/protocol.md, by status and code. */
export class GatewayError extends TacitError {
  readonly kind = 'gateway';

  constructor(
    message: string,
    readonly status: number,
    readonly code: string,
    readonly param: string | null = null,
    /** What became of the token: `unspent`, `spent`, `returned`, `inflight`; null where none was looked at, and where this was said in the clear. */
    readonly tokenState: string | null = null,
    /** Whether it came inside the sealed reply. What did not, anybody on the way may have said: it decides nothing about a token. */
    readonly isSealed: boolean = false,
  ) {
    super(message);
  }
}

export class AbortedError extends TacitError {
  readonly kind = 'aborted';

  constructor() {
    super('The caller aborted the request.');
  }
}

/** The device's key is missing, or its store refused it (a biometric check that failed, say). */
export class DeviceKeyError extends TacitError {
  readonly kind = 'device';
}

/** This platform lacks something that has to be given by an option. */
export class UnsupportedError extends TacitError {
  readonly kind = 'unsupported';
}
