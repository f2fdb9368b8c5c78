// Calls to the app. Every one names itself as the page's, which no page elsewhere can do without a preflight that is never answered.

const header = { 'Tacit-Page': '1' };

/** An error that the app told (RFC 9457), or that it could not be reached (`type` is then `unreachable`). */
export class Problem extends Error {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  /** What is at fault, where it is one setting or field. */
  readonly member: string | undefined;

  constructor(type: string, title: string, status: number, detail?: string, member?: string) {
    super(detail || title);
    this.name = 'Problem';
    this.type = type;
    this.title = title;
    this.status = status;
    this.member = member;
  }

  /** The last part of the type: `urn:tacit:problem:wallet-empty` → `wallet-empty`. */
  get code(): string {
    return this.type.slice(this.type.lastIndexOf(':') + 1);
  }
}

/** What to tell a person of anything that was thrown. */
export function explain(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export async function call(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers: body === undefined ? header : { ...header, 'Content-Type': 'application/json' },
      body: body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body),
      cache: 'no-store',
      credentials: 'omit',
      redirect: 'error',
      signal: signal ?? null,
    });
  } catch (error) {
    if (signal?.aborted) {
      throw error;
    }
    throw new Problem('unreachable', 'The app does not answer', 0, 'The app does not answer. Is it still running? Start it with “tacit”, and this page goes on by itself.');
  }
  if (!response.ok) {
    throw await problemOf(response);
  }
  return response;
}

async function problemOf(response: Response): Promise<Problem> {
  const fallback = `The app answered with ${response.status}.`;
  try {
    const told = await response.json() as { type?: string; title?: string; detail?: string; member?: string; error?: { code?: string; message?: string } };
    return told.error
      ? new Problem(told.error.code ?? 'about:blank', told.error.message ?? fallback, response.status)
      : new Problem(told.type ?? 'about:blank', told.title ?? fallback, response.status, told.detail, told.member);
  } catch {
    return new Problem('about:blank', fallback, response.status);
  }
}

async function json<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const response = await call(method, path, body, signal);
  const text = await response.text();
  return (text ? JSON.parse(text) : undefined) as T;
}

export const api = {
  get: <T>(path: string, signal?: AbortSignal) => json<T>('GET', path, undefined, signal),
  post: <T = void>(path: string, body: unknown = {}, signal?: AbortSignal) => json<T>('POST', path, body, signal),
  put: <T = void>(path: string, body: unknown) => json<T>('PUT', path, body),
  patch: <T = void>(path: string, body: unknown) => json<T>('PATCH', path, body),
  delete: <T = void>(path: string) => json<T>('DELETE', path),
};

/** Fetches a file and hands it to the browser to keep. */
export async function download(name: string, path: string, body?: unknown): Promise<void> {
  const response = await call(body === undefined ? 'GET' : 'POST', path, body);
  save(name, await response.blob());
}

export function save(name: string, content: Blob): void {
  const address = URL.createObjectURL(content);
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
