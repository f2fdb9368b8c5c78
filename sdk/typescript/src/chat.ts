import { concat, fromUtf8, parseObject, Utf8Decoder, type Bytes } from './bytes.js';
import { AbortedError, EncryptionError, GatewayError } from './errors.js';
import type { ReplyHead, SealedReplyReader } from './reply.js';
import type { PreparedRequest } from './client.js';

/** One server-sent event of the body. */
export interface ServerSentEvent {
  readonly event: string;
  readonly data: string;
}

/**
 * A reply as it comes. `for await (const text of reply)` gives the words; {@link events} and {@link bytes} what they came in. It can be read once, in one of these
 * ways. A reply that does not end with its final chunk throws `EncryptionError` (`reply-truncated`) at its end: what was given out before is a beginning. To have it
 * whole, send {@link request} again: it attaches to the same reply.
 */
export class Reply implements AsyncIterable<string> {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;

  /** @internal */
  constructor(
    readonly request: PreparedRequest, head: ReplyHead, private readonly reader: SealedReplyReader, private readonly pieces: AsyncGenerator<readonly Bytes[]>,
    private readonly first: readonly Bytes[],
  ) {
    this.status = head.status;
    this.headers = head.headers;
  }

  /** What the reply ended with, a renewal say; null before the end, or where there is nothing. */
  get trailers(): Readonly<Record<string, string>> | null {
    return this.reader.isWhole ? this.reader.trailers : null;
  }

  async *bytes(): AsyncGenerator<Bytes> {
    try {
      yield* this.first;
      for (;;) {
        const { done, value } = await this.pieces.next();
        if (done) return;
        yield* value;
      }
    } finally {
      await this.close();
    }
  }

  /** The body's events (the HTML standard, "Server-sent events"). */
  async *events(): AsyncGenerator<ServerSentEvent> {
    const decoder = new Utf8Decoder();
    let rest = '';
    let event = '';
    let data: string[] = [];
    for await (const piece of this.bytes()) {
      const lines = (rest + decoder.push(piece)).split('\n');
      rest = lines.pop()!;
      for (const whole of lines) {
        const line = whole.endsWith('\r') ? whole.slice(0, -1) : whole;
        if (line === '') {
          if (data.length > 0) yield { event: event || 'message', data: data.join('\n') };
          event = '';
          data = [];
        } else if (line.startsWith('data:')) data.push(line.slice(line[5] === ' ' ? 6 : 5));
        else if (line.startsWith('event:')) event = line.slice(line[6] === ' ' ? 7 : 6);
      }
    }
  }

  /** The words of the model, of a chat completion, a response or a message, streamed or not. */
  async *[Symbol.asyncIterator](): AsyncGenerator<string> {
    if (!this.isStream) {
      const text = textOf(parseObject(await this.text()));
      if (text !== '') yield text;
      return;
    }

    for await (const { data } of this.events()) {
      const value = parseObject(data);
      const error = value?.['error'];
      if (typeof error === 'object' && error !== null) throw readError(this.status, value, { tokenState: this.headers['tacit-token'] ?? null });
      const text = textOf(value);
      if (text !== '') yield text;
    }
  }

  /** The whole body. */
  async text(): Promise<string> {
    const parts: Bytes[] = [];
    for await (const piece of this.bytes()) parts.push(piece);
    return fromUtf8(concat(...parts));
  }

  async json(): Promise<unknown> {
    return JSON.parse(await this.text());
  }

  /** Ends the connection without reading on. The gateway goes on with the reply; `TacitClient.cancel` stops it. */
  async close(): Promise<void> {
    await this.pieces.return(undefined);
  }

  private get isStream(): boolean {
    return (this.headers['content-type'] ?? '').startsWith('text/event-stream');
  }
}

/**
 * The gateway's error of either API's shape.
 * @param sealed What came with it inside the sealed reply; null where it was said in the clear.
 */
export function readError(status: number, body: Record<string, unknown> | null, sealed: { readonly tokenState: string | null } | null): GatewayError {
  const error = (typeof body?.['error'] === 'object' && body['error'] !== null ? body['error'] : {}) as Record<string, unknown>;
  const { code, message, param } = error;
  return new GatewayError(
    typeof message === 'string' ? message : `The gateway answered ${status}.`, status, typeof code === 'string' ? code : '', typeof param === 'string' ? param : null,
    sealed?.tokenState ?? null, sealed !== null);
}

/** @internal Opens a response's text as it comes. */
export async function* openPieces(text: AsyncIterable<string>, reader: SealedReplyReader, ended: () => void): AsyncGenerator<readonly Bytes[]> {
  const iterator = text[Symbol.asyncIterator]();
  try {
    for (;;) {
      let step: IteratorResult<string>;
      try {
        step = await iterator.next();
      } catch (error) {
        if (error instanceof AbortedError || (reader.head === null && !(error instanceof EncryptionError))) throw error;
        reader.complete(error);
        return;
      }
      if (step.done) {
        reader.complete();
        return;
      }
      const { body, failure } = reader.push(step.value);
      yield body;
      if (failure !== null) throw failure;
    }
  } finally {
    ended();
    iterator.return?.().catch(() => undefined);
  }
}

/** What of a JSON reply, or of one event of a stream, is the model's words. */
function textOf(value: Record<string, unknown> | null): string {
  const choice = first(value?.['choices']);
  const fromChoice = member(choice, 'delta', 'content') ?? member(choice, 'message', 'content');
  if (fromChoice !== undefined) return typeof fromChoice === 'string' ? fromChoice : '';
  if (value?.['type'] === 'response.output_text.delta') return String(value['delta']);
  if (value?.['type'] === 'content_block_delta') return String(member(value, 'delta', 'text') ?? '');
  const blocks = value?.['type'] === 'message' ? value['content'] : Array.isArray(value?.['output']) ? value['output'].flatMap((item: unknown) => member(item, 'content') ?? []) : [];
  return Array.isArray(blocks) ? blocks.map((block: unknown) => member(block, 'text') ?? '').join('') : '';
}

const first = (value: unknown): unknown => (Array.isArray(value) ? (value[0] as unknown) : undefined);

function member(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>((at, name) => (typeof at === 'object' && at !== null ? (at as Record<string, unknown>)[name] : undefined), value);
}
