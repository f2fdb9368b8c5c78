// Files that go with a message. Everything is read here, on this machine: an image goes along as it is, of a text or a PDF its text.
import { explain } from '../api';
import { formatBytes } from '../format';
import { toBase64 } from '../ui/files';
import type { AttachmentView, NewAttachment } from '../wire';

export interface Draft {
  readonly key: string;
  readonly name: string;
  readonly mediaType: string;
  readonly size: number;
  /** Null while it is being read. */
  readonly content: NewAttachment | null;
  readonly error?: string;
  /** What a picture looks like, from memory. */
  readonly preview?: string;
}

const mega = 1_000_000;
export const limits = { count: 10, image: 5 * mega, text: mega, pdf: 30 * mega } as const;
export const limitsText = `Up to ${limits.count} files: images up to ${formatBytes(limits.image)}, texts up to ${formatBytes(limits.text)}, PDFs up to ${formatBytes(limits.pdf)} (of these only the text is sent).`;

const images = ['image/png', 'image/jpeg', 'image/webp', 'image/gif'];
export const accepted = `${images.join(',')},application/pdf,text/*,.md,.txt,.csv,.tsv,.json,.jsonl,.xml,.yaml,.yml,.toml,.ini,.log,.html,.css,.js,.mjs,.ts,.tsx,.jsx,.py,.rb,.rs,.go,.java,.kt,.c,.h,.cpp,.hpp,.cs,.fs,.swift,.sh,.sql,.tex,.r,.lua,.php,.diff,.patch`;

export function fromAttachment(one: AttachmentView): Draft {
  return { key: crypto.randomUUID(), name: one.name, mediaType: one.mediaType, size: one.size, content: { id: one.id } };
}

/** Gives out each file as soon as it is known, and again when it is read. */
export async function readFile(file: File, tell: (draft: Draft) => void): Promise<void> {
  const draft: Draft = { key: crypto.randomUUID(), name: file.name || 'pasted', mediaType: file.type || 'text/plain', size: file.size, content: null };
  tell(draft);
  try {
    tell({ ...draft, ...await read(file) });
  } catch (error) {
    tell({ ...draft, error: explain(error) });
  }
}

async function read(file: File): Promise<Partial<Draft>> {
  const name = file.name || 'pasted';
  if (images.includes(file.type)) {
    check(file, limits.image);
    const data = await toBase64(file);
    return { content: { name, mediaType: file.type, data }, preview: URL.createObjectURL(file) };
  }
  if (file.type.startsWith('image/')) {
    throw new Error('Models take PNG, JPEG, WebP and GIF.');
  }
  if (file.type === 'application/pdf' || /\.pdf$/i.test(name)) {
    check(file, limits.pdf);
    const { textOf } = await import('./pdf');
    const text = await textOf(await file.arrayBuffer());
    if (text.trim() === '') {
      throw new Error('No text is in this PDF: it may be a scan. Attach pictures of its pages instead.');
    }
    checkText(text);
    return { mediaType: 'application/pdf', size: bytesOf(text), content: { name, mediaType: 'application/pdf', text } };
  }
  check(file, limits.text);
  const bytes = await file.arrayBuffer();
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new Error('Neither text in UTF-8 nor an image nor a PDF.');
  }
  if (text.includes('\0')) {
    throw new Error('This is no text.');
  }
  const mediaType = /^(text\/|application\/(json|xml))/.test(file.type) ? file.type.split(';')[0]! : 'text/plain';
  return { mediaType, content: { name, mediaType, text } };
}

/** What the files come to in a request, in bytes. */
export function weigh(files: readonly Draft[]): number {
  return files.reduce((sum, file) => sum + (file.mediaType.startsWith('image/') ? Math.ceil(file.size / 3) * 4 : file.size), 0);
}

const bytesOf = (text: string): number => new TextEncoder().encode(text).length;

function check(file: File, most: number): void {
  if (file.size > most) {
    throw new Error(`Too large: ${formatBytes(file.size)}, at most ${formatBytes(most)}.`);
  }
}

function checkText(text: string): void {
  const size = bytesOf(text);
  if (size > limits.text) {
    throw new Error(`Its text is too long: ${formatBytes(size)}, at most ${formatBytes(limits.text)}.`);
  }
}
