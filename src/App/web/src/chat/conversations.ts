// Conversations that are open here: each message is a signal of its own, so that a growing reply redraws nothing but itself.
import { batch, type Signal, signal } from '@preact/signals';
import { api, explain, Problem } from '../api';
import { tellSummary } from '../store';
import type { Conversation, Delta, Message, Stage } from '../wire';
import { MessageTree } from './tree';

export interface OpenConversation {
  readonly id: string;
  /** Everything but the messages; null until loaded. */
  readonly head: Signal<Omit<Conversation, 'messages'> | null>;
  readonly tree: MessageTree;
  /** The ids from the root to the selected leaf. */
  readonly path: Signal<readonly string[]>;
  readonly error: Signal<string | null>;
}

/** Those that were looked at last; the others are asked for again when they are opened. */
const kept = 4;
const open = new Map<string, OpenConversation>();
const stageLists = new Map<string, Signal<readonly Stage[]>>();

export function openConversation(id: string): OpenConversation {
  let one = open.get(id);
  if (one === undefined) {
    one = { id, head: signal(null), tree: new MessageTree(), path: signal([]), error: signal(null) };
    void load(one);
  }
  // Last is newest.
  open.delete(id);
  open.set(id, one);
  for (const other of open.keys()) {
    if (open.size <= kept) {
      break;
    }
    open.delete(other);
  }
  return one;
}

/** Takes in a conversation that an answer brought whole. */
export function adopt(conversation: Conversation): OpenConversation {
  const one: OpenConversation = open.get(conversation.id)
    ?? { id: conversation.id, head: signal(null), tree: new MessageTree(), path: signal([]), error: signal(null) };
  take(one, conversation);
  open.set(one.id, one);
  tellSummary(conversation);
  return one;
}

export async function load(one: OpenConversation): Promise<void> {
  try {
    take(one, await api.get<Conversation>(`/app/conversations/${encodeURIComponent(one.id)}`));
  } catch (error) {
    one.error.value = error instanceof Problem && error.status === 404 ? 'This conversation is no longer there.' : explain(error);
  }
}

function take(one: OpenConversation, conversation: Conversation): void {
  batch(() => {
    const { messages, ...head } = conversation;
    one.head.value = head;
    one.error.value = null;
    one.tree.replace(messages, head.leaf ?? null);
    one.path.value = one.tree.path();
  });
}

export function reloadOpen(): void {
  const ids = [...open.keys()];
  for (const [index, id] of ids.entries()) {
    // The one that is looked at is the last; the others are asked for when they are looked at again.
    if (index === ids.length - 1) {
      void load(open.get(id)!);
    } else {
      open.delete(id);
    }
  }
}

export function forget(id: string): void {
  const one = open.get(id);
  if (one !== undefined) {
    // It stays, so that a view of it that is about to go does not ask for it again.
    one.error.value = 'This conversation was deleted.';
  }
}

/** Shows another branch: the leaf below the given message that was last gone to. */
export function select(one: OpenConversation, message: string): void {
  const leaf = one.tree.select(message);
  one.path.value = one.tree.path();
  void api.patch(`/app/conversations/${encodeURIComponent(one.id)}`, { leaf }).catch(() => undefined);
}

export function receiveMessage(conversation: string, message: Message): void {
  const one = open.get(conversation);
  if (one !== undefined) {
    batch(() => {
      if (one.tree.set(message)) {
        one.path.value = one.tree.path();
      }
    });
  }
}

export function receiveMessageDeleted(conversation: string, message: string): void {
  const one = open.get(conversation);
  if (one !== undefined) {
    one.tree.delete(message);
    one.path.value = one.tree.path();
  }
}

export function receiveDelta(delta: Delta): void {
  const one = open.get(delta.conversation);
  if (one !== undefined && one.head.value !== null && !one.tree.append(delta)) {
    // Something before it is missing, as after a nap of the machine.
    void load(one);
  }
}

/** The stages of a message's request as they passed, while this page was there. */
export function stagesOf(message: string): Signal<readonly Stage[]> {
  let list = stageLists.get(message);
  if (list === undefined) {
    stageLists.set(message, list = signal([]));
  }
  return list;
}

export function receiveStage(_conversation: string, message: string, stage: Stage): void {
  const list = stagesOf(message);
  list.value = [...list.value, stage];
  for (const oldest of stageLists.keys()) {
    if (stageLists.size <= 64) {
      break;
    }
    stageLists.delete(oldest);
  }
}
