// What goes over the wire: challenges, the directory, token requests and tokens (RFC 9577, RFC 9578, docs/protocol.md).
import { ed25519 } from '@noble/curves/ed25519.js';
import { type Bytes, equal, fromBase64Url, join, sha256, toBase64Url, u16, utf8 } from './bytes';
import { importKey, modulusSize, type TokenKey } from './rsa';

const directoryPath = '/.well-known/private-token-issuer-directory';
const tokenType = 2;

export interface Settings {
  readonly gateway: string;
  readonly issuer: string;
  readonly plan: string;
  readonly directoryKey: string;
}

export interface Challenge {
  readonly bytes: Bytes;
  readonly digest: Bytes;
  readonly issuer: string;
  readonly origin: string;
}

export interface Plan {
  readonly id: string;
  readonly models: readonly string[];
  readonly maxInputBytes: number;
  readonly maxOutputTokens: number;
  readonly period: string;
}

export interface Directory {
  readonly issuer: string;
  readonly sequence: number;
  readonly size: number;
  readonly plans: number;
  readonly plan: Plan;
  readonly deadline: Date;
  readonly key: TokenKey;
  /** Whether the gateway shows the same bytes; null where it still shows another number of the same chain. */
  readonly isSame: boolean | null;
}

export interface Token {
  /** Type, nonce, challenge digest and key id: what is signed. */
  readonly input: Bytes;
  readonly nonce: Bytes;
  readonly signature: Bytes;
}

/** What a server said where it did not do as asked. */
export class Refusal extends Error {
  constructor(readonly status: number, readonly code: string, message: string) {
    super(message);
  }
}

/** Nothing that a browser adds by itself goes along: no cookie, no referrer, nothing from its cache. */
const plainly: RequestInit = { credentials: 'omit', cache: 'no-store', referrerPolicy: 'no-referrer' };

export async function readSettings(): Promise<Settings> {
  return (await get('/demo/settings.json')).json();
}

/** Asks for an answer without a token, and reads the challenge in the refusal. */
export async function readChallenge(settings: Settings): Promise<Challenge> {
  const response = await fetch('/v1/chat/completions', { ...plainly, method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' });
  const header = response.headers.get('www-authenticate') ?? '';
  if (response.status !== 401) {
    throw await refusalOf(response);
  }
  for (const [, text] of header.matchAll(/PrivateToken\s+challenge="?([A-Za-z0-9_=-]+)"?/g)) {
    const bytes = fromBase64Url(text!);
    const challenge = await parseChallenge(bytes);
    if (challenge !== null && challenge.origin === settings.gateway) {
      return challenge;
    }
  }
  throw new Error('The gateway named no token that this page can get.');
}

/** RFC 9577 section 2.1.1; null for another type of token, or one for a single occasion. */
async function parseChallenge(bytes: Bytes): Promise<Challenge | null> {
  let at = 2;
  const take = (size: number) => bytes.subarray(at, at += size);
  const number = (size: number) => take(size).reduce((sum, byte) => sum * 256 + byte, 0);
  const text = (size: number) => new TextDecoder().decode(take(size));
  const issuer = text(number(2));
  const context = number(1);
  take(context);
  const origin = text(number(2));
  return ((bytes[0]! << 8) | bytes[1]!) !== tokenType || context !== 0 || at !== bytes.length ? null : { bytes, digest: await sha256(bytes), issuer, origin };
}

/** Fetches the directory from the issuer and from the gateway, and takes the issuer's only with its signature. */
export async function readDirectory(settings: Settings): Promise<Directory> {
  const [own, copy] = await Promise.all([get(new URL(directoryPath, settings.issuer)), get(directoryPath)].map(async response => new Uint8Array(await (await response).arrayBuffer())));
  const document = JSON.parse(new TextDecoder().decode(own));
  const { signature, ...signed } = document;
  if (!ed25519.verify(fromBase64Url(signature), utf8(canonical(signed)), fromBase64Url(settings.directoryKey), { zip215: false })) {
    throw new Error("The directory's signature is wrong. This page goes no further.");
  }
  const plan = document.plans.find((candidate: { id: string; open?: boolean }) => candidate.id === settings.plan && candidate.open === true);
  const now = Date.now() / 1000;
  const live = plan?.keys.filter((key: { notBefore: number; deadline: number }) => key.notBefore <= now && now < key.deadline) ?? [];
  const entry = live[0] ?? plan?.keys[0];
  if (!entry) {
    throw new Error('The directory has no key of the demonstration’s plan now.');
  }
  const id = fromBase64Url(entry.tokenKeyId);
  for (const candidate of document['token-keys']) {
    const spki = fromBase64Url(candidate['token-key']);
    if (equal(await sha256(spki), id)) {
      const other = JSON.parse(new TextDecoder().decode(copy));
      return {
        issuer: document['issuer-name'], sequence: document.sequence, size: own!.length, plans: document.plans.length, plan, deadline: new Date(entry.deadline * 1000), key: await importKey(spki),
        isSame: equal(own!, copy!) ? true : other.sequence === document.sequence ? false : null,
      };
    }
  }
  throw new Error('The directory lacks a key that it names.');
}

/** RFC 8785 for what a directory may hold: no fractions, no lone surrogates. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) {
    return `[${value.map(canonical).join()}]`;
  }
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join()}}`;
  }
  return JSON.stringify(value);
}

/** Type ‖ nonce ‖ digest of the challenge ‖ key id (RFC 9578 section 6.1). */
export const tokenInput = (nonce: Bytes, challenge: Challenge, key: TokenKey): Bytes => join(u16(tokenType), nonce, challenge.digest, key.id);

/** Has the issuer sign a blinded element. */
export async function requestSignature(settings: Settings, key: TokenKey, element: Bytes): Promise<Bytes> {
  const response = await fetch(new URL('/open-token-request', settings.issuer), {
    ...plainly, method: 'POST', headers: { 'content-type': 'application/private-token-request' }, body: join(u16(tokenType), key.id.subarray(-1), element),
  });
  if (!response.ok) {
    throw await refusalOf(response);
  }
  const signature = new Uint8Array(await response.arrayBuffer());
  if (signature.length !== modulusSize) {
    throw new Error('The issuer answered with something that is no signature.');
  }
  return signature;
}

/** The name under which the gateway's record knows a token. */
export const spendId = (token: Token): Promise<Bytes> => sha256(token.input);

/** Redeems a token with a prompt; the answer comes piece by piece. */
export async function ask(token: Token, plan: Plan, prompt: string, onPiece: (text: string) => void): Promise<string> {
  const response = await fetch('/v1/chat/completions', {
    ...plainly,
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `PrivateToken token="${toBase64Url(join(token.input, token.signature))}"` },
    body: JSON.stringify({ model: plan.models[0], messages: [{ role: 'user', content: prompt }], stream: true }),
  });
  if (!response.ok || response.body === null) {
    throw await refusalOf(response);
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let pending = '';
  let answer = '';
  for (;;) {
    const { done, value } = await reader.read();
    pending += value ?? '';
    const events = pending.split(/\r?\n\r?\n/);
    pending = done ? '' : events.pop()!;
    for (const event of events) {
      const data = event.split(/\r?\n/).filter(line => line.startsWith('data:')).map(line => line.slice(5).trim()).join('');
      if (data === '' || data === '[DONE]') {
        continue;
      }
      const parsed = JSON.parse(data);
      if (parsed.error) {
        throw new Refusal(0, parsed.error.code ?? '', parsed.error.message ?? 'The answer broke off.');
      }
      const piece: string = parsed.choices?.[0]?.delta?.content ?? '';
      if (piece !== '') {
        answer += piece;
        onPiece(answer);
      }
    }
    if (done) {
      return answer;
    }
  }
}

async function get(url: string | URL): Promise<Response> {
  const response = await fetch(url, plainly);
  if (!response.ok) {
    throw await refusalOf(response);
  }
  return response;
}

/** Problem details of the issuer (RFC 9457), or an error of the gateway in OpenAI's shape. */
async function refusalOf(response: Response): Promise<Refusal> {
  try {
    const body = await response.json();
    return body.error
      ? new Refusal(response.status, body.error.code ?? '', body.error.message ?? '')
      : new Refusal(response.status, String(body.type ?? '').replace('urn:tacit:problem:', ''), [body.title, body.detail].filter(Boolean).join(' '));
  } catch {
    return new Refusal(response.status, '', `It answered with status ${response.status}.`);
  }
}
