// What is typed and not sent, by conversation. In memory only: the browser would write it to its own disk, and not encrypted.
import { type Signal, signal } from '@preact/signals';
import type { Draft } from './attachments';

export interface ComposerState {
  readonly text: Signal<string>;
  readonly files: Signal<readonly Draft[]>;
}

const drafts = new Map<string, ComposerState>();

export function draftOf(conversation: string | null): ComposerState {
  const key = conversation ?? '';
  let draft = drafts.get(key);
  if (draft === undefined) {
    drafts.set(key, draft = { text: signal(''), files: signal([]) });
  }
  return draft;
}
