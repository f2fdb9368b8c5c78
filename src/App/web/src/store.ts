// What the page knows: a copy of what the app told. Nothing here is written but by events and by the answers to calls; views read signals.
import { computed, signal } from '@preact/signals';
import { forget, receiveDelta, receiveMessage, receiveMessageDeleted, receiveStage, reloadOpen } from './chat/conversations';
import { applyTheme } from './theme';
import type { CarrierView, ConversationSummary, Events, LocalKeyView, Mode, NoticeView, SavedPrompt, Settings, State, WalletView } from './wire';

/** `gone`: the app does not answer, and is asked again. */
export const connection = signal<'connecting' | 'open' | 'gone'>('connecting');
/** Whether a first state has come, without which there is nothing to show. */
export const isReady = signal(false);
export const version = signal('');
export const mode = signal<Mode>('wallet');
/** The base address for other programs, ending in /v1. */
export const address = signal('');
export const chats = signal<State['chats']>('kept');
/** Why the chats that are kept cannot be read; null where they can. */
export const chatsProblem = signal<string | null>(null);
const summaries = signal<ReadonlyMap<string, ConversationSummary>>(new Map());
export const settings = signal<Settings | null>(null);
export const wallet = signal<WalletView | null>(null);
export const carrier = signal<CarrierView | null>(null);
export const notices = signal<readonly NoticeView[]>([]);
export const prompts = signal<readonly SavedPrompt[]>([]);
export const keys = signal<readonly LocalKeyView[]>([]);

/** The newest first. */
export const conversations = computed(() => [...summaries.value.values()].sort((a, b) => b.updated.localeCompare(a.updated)));

export function summary(id: string): ConversationSummary | undefined {
  return summaries.value.get(id);
}

const handlers: { [Name in keyof Events]: (data: Events[Name]) => void } = {
  state(data) {
    version.value = data.version;
    mode.value = data.mode ?? 'wallet';
    address.value = data.address;
    chats.value = data.chats;
    chatsProblem.value = data.chatsProblem ?? null;
    summaries.value = new Map(data.conversations.map(one => [one.id, one]));
    if (data.settings) {
      handlers.settings(data.settings);
    }
    wallet.value = data.wallet ?? null;
    carrier.value = data.carrier ?? null;
    notices.value = data.notices ?? [];
    prompts.value = data.prompts ?? [];
    keys.value = data.keys ?? [];
    isReady.value = true;
    reloadOpen();
  },
  conversation: tellSummary,
  'conversation-deleted': ({ id }) => {
    const next = new Map(summaries.value);
    next.delete(id);
    summaries.value = next;
    forget(id);
  },
  message: ({ conversation, message }) => receiveMessage(conversation, message),
  'message-deleted': ({ conversation, message }) => receiveMessageDeleted(conversation, message),
  delta: receiveDelta,
  stage: ({ conversation, message, stage }) => receiveStage(conversation, message, stage),
  wallet: data => { wallet.value = data; },
  carrier: data => { carrier.value = data; },
  settings: data => {
    settings.value = data;
    applyTheme(data.theme);
  },
  notices: data => { notices.value = data; },
  prompts: data => { prompts.value = data; },
  keys: data => { keys.value = data; },
};

export function receive(name: string, data: unknown): void {
  // A name that this page does not know is an app newer than it: the rest still holds.
  if (Object.hasOwn(handlers, name)) {
    (handlers as Record<string, (data: unknown) => void>)[name]!(data);
  }
}

export function tellSummary(one: ConversationSummary): void {
  const { id, title, created, updated, model, plan, generating } = one;
  summaries.value = new Map(summaries.value).set(id, { id, title, created, updated, model: model ?? null, plan: plan ?? null, generating });
}
