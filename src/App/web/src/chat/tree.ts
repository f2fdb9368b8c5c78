// The messages of one conversation: a tree, as every retry and every edit is a branch, of which one path is shown.
import { type Signal, signal } from '@preact/signals';
import type { Delta, Message } from '../wire';

const root = '';

export class MessageTree {
  private readonly messages = new Map<string, Signal<Message>>();
  private readonly children = new Map<string, string[]>();
  /** Which child was last gone to. */
  private readonly chosen = new Map<string, string>();

  replace(messages: readonly Message[], leaf: string | null): void {
    const ids = new Set(messages.map(message => message.id));
    for (const id of [...this.messages.keys()]) {
      if (!ids.has(id)) {
        this.delete(id);
      }
    }
    for (const message of messages) {
      this.put(this.latest(message));
    }
    if (leaf !== null && this.messages.has(leaf)) {
      this.choose(leaf);
    }
  }

  get(id: string): Signal<Message> | undefined {
    return this.messages.get(id);
  }

  get size(): number {
    return this.messages.size;
  }

  /** True if the path may have changed. A message that comes to be is shown: somebody just asked for it. */
  set(message: Message): boolean {
    const isNew = this.put(message);
    if (isNew) {
      this.choose(message.id);
    }
    return isNew;
  }

  /** False if something before it is missing. What is there already is not added twice. */
  append(delta: Delta): boolean {
    const message = this.messages.get(delta.message);
    if (message === undefined) {
      return false;
    }
    const before = (delta.reasoning ? message.value.reasoning : message.value.text) ?? '';
    if (delta.offset > before.length) {
      return false;
    }
    const fresh = delta.text.slice(before.length - delta.offset);
    if (fresh !== '') {
      message.value = delta.reasoning ? { ...message.value, reasoning: before + fresh } : { ...message.value, text: before + fresh };
    }
    return true;
  }

  delete(id: string): void {
    const message = this.messages.get(id)?.value;
    if (message === undefined) {
      return;
    }
    this.messages.delete(id);
    this.chosen.delete(id);
    const siblings = this.children.get(message.parent ?? root) ?? [];
    this.children.set(message.parent ?? root, siblings.filter(other => other !== id));
    if (this.chosen.get(message.parent ?? root) === id) {
      this.chosen.delete(message.parent ?? root);
    }
  }

  siblings(id: string): readonly string[] {
    return this.children.get(this.messages.get(id)?.value.parent ?? root) ?? [];
  }

  /** Goes to a message and on to the leaf below it; says which that is. */
  select(id: string): string {
    this.choose(id);
    return this.path().at(-1) ?? id;
  }

  path(): string[] {
    const path: string[] = [];
    const seen = new Set<string>();
    for (let at = root; ;) {
      const next = this.childOf(at);
      if (next === undefined || seen.has(next)) {
        return path;
      }
      seen.add(next);
      path.push(next);
      at = next;
    }
  }

  private childOf(id: string): string | undefined {
    const among = this.children.get(id);
    const chosen = this.chosen.get(id);
    return chosen !== undefined && among?.includes(chosen) ? chosen : among?.at(-1);
  }

  private choose(id: string): void {
    const seen = new Set<string>();
    for (let at: string | undefined = id; at !== undefined && !seen.has(at);) {
      seen.add(at);
      const parent: string = this.messages.get(at)?.value.parent ?? root;
      this.chosen.set(parent, at);
      at = parent === root ? undefined : parent;
    }
  }

  /** An answer to a call may come after events that know more: what has ended does not go on, and what grows does not get shorter. */
  private latest(message: Message): Message {
    const known = this.messages.get(message.id)?.peek();
    return known !== undefined && message.state === 'generating'
      && (known.state !== 'generating' || (known.text.startsWith(message.text) && (known.reasoning ?? '').startsWith(message.reasoning ?? ''))) ? known : message;
  }

  private put(message: Message): boolean {
    const known = this.messages.get(message.id);
    if (known !== undefined) {
      known.value = message;
      return false;
    }
    this.messages.set(message.id, signal(message));
    const parent = message.parent ?? root;
    const among = this.children.get(parent);
    if (among === undefined) {
      this.children.set(parent, [message.id]);
    } else {
      among.push(message.id);
    }
    return true;
  }
}
