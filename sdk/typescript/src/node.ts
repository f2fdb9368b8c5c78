// For Node alone: a transport that pins the gateway's certificate.
import { Agent, request as requestHttps, type RequestOptions } from 'node:https';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import type { Duplex } from 'node:stream';
import { AbortedError, EncryptionError, NetworkError, TacitError } from './errors.js';
import { Pieces, type Transport } from './transport.js';

export interface PinnedTransportOptions {
  /** SHA-256 of the certificate's DER, in hexadecimal with or without colons, as `openssl x509 -fingerprint -sha256` shows. Several: the next one beside the current. */
  readonly fingerprints: readonly string[];
}

/**
 * HTTPS to a server that has one of these certificates, whoever signed it. The certificate is looked at before a byte of the request leaves. Browsers and React
 * Native's `fetch` let nobody look; what is sealed does not depend on it.
 */
export function pinnedTransport(options: PinnedTransportOptions): Transport {
  const pins = new Set(options.fingerprints.map((print) => print.replace(/:/g, '').toLowerCase()));
  if (pins.size === 0 || [...pins].some((pin) => !/^[0-9a-f]{64}$/.test(pin))) throw new TypeError('fingerprints are SHA-256, 64 hexadecimal digits each.');
  const agent = new PinningAgent(pins);
  return {
    send: ({ method, url, headers, body, signal }) => new Promise((resolve, reject) => {
      const fail = (error: unknown): TacitError => signal?.aborted
        ? new AbortedError()
        : error instanceof TacitError ? error : new NetworkError('The gateway was not reached, or the connection broke.', { cause: error });
      const outgoing = requestHttps(url, { method, headers: { ...headers }, agent, ...(signal === undefined ? {} : { signal }) }, (response) => {
        const pieces = new Pieces(() => response.destroy());
        response.setEncoding('utf8');
        response.on('data', (text: string) => pieces.add(text));
        response.on('end', () => pieces.end(response.complete ? null : fail(new Error('The response was cut.'))));
        response.on('error', (error) => pieces.end(fail(error)));
        resolve({ status: response.statusCode ?? 0, header: (name) => [response.headers[name]].flat()[0] ?? null, text: pieces });
      });
      outgoing.on('error', (error) => reject(fail(error)));
      outgoing.end(body);
    }),
  };
}

class PinningAgent extends Agent {
  constructor(private readonly pins: ReadonlySet<string>) {
    // A resumed session shows no certificate.
    super({ maxCachedSessions: 0, keepAlive: false });
  }

  override createConnection(options: RequestOptions, callback?: (error: Error | null, stream: Duplex) => void): undefined {
    const done = callback as (error: Error | null, stream?: Duplex) => void;
    // Whoever signed it: the fingerprint says more than any authority.
    const socket: TLSSocket = connect({ ...(options as ConnectionOptions), rejectUnauthorized: false });
    socket.once('error', done);
    socket.once('secureConnect', () => {
      socket.off('error', done);
      const print = socket.getPeerCertificate().fingerprint256?.replace(/:/g, '').toLowerCase();
      if (print !== undefined && this.pins.has(print)) {
        done(null, socket);
      } else {
        socket.destroy();
        done(new EncryptionError('certificate-untrusted', 'The server’s certificate is none of those pinned.'));
      }
    });
  }
}
