// What a person does to a conversation. The app does it and tells every tab; here only what has to be shown at once.
import { api, explain } from '../api';
import { address, go } from '../router';
import { settings } from '../store';
import { toast } from '../ui/toast';
import type { Conversation, Message } from '../wire';
import type { Choice } from '../models/ModelPicker';
import type { Draft } from './attachments';
import { currentChoice, loadModels, newSystem } from './choice';
import { adopt, type OpenConversation, receiveMessage, select } from './conversations';

const path = (id: string): string => `/app/conversations/${encodeURIComponent(id)}`;

export const tellError = (error: unknown): void => toast(explain(error), 'error');

/** Sends a message, in a new conversation where there is none. Throws what the app answered, with the text still in the caller's hands. */
export async function send(one: OpenConversation | null, parent: string | null, text: string, files: readonly Draft[]): Promise<void> {
  let choice = currentChoice(one);
  if (choice === null) {
    // Whoever types faster than the models are told waits for them, not for an error.
    await loadModels();
    choice = currentChoice(one);
  }
  if (choice === null) {
    throw new Error('Choose a model first: the button under the message.');
  }
  let conversation = one;
  if (conversation === null) {
    // Empty, and not left out: what a person took away is not to come from the settings after all.
    const system = newSystem.value ?? settings.value?.defaultSystem ?? '';
    conversation = adopt(await api.post<Conversation>('/app/conversations', { model: choice.model, plan: choice.plan ?? '', system }));
  }
  let answer: { user: Message; assistant: Message };
  try {
    answer = await api.post(`${path(conversation.id)}/messages`, { parent, text, attachments: files.map(file => file.content), model: choice.model, plan: choice.plan ?? '' });
  } catch (error) {
    if (one === null) {
      // What was begun for this message alone does not stay behind empty.
      await api.delete(path(conversation.id)).catch(() => undefined);
    }
    throw error;
  }
  take(conversation, answer.user);
  take(conversation, answer.assistant);
  if (one === null) {
    newSystem.value = null;
    go(address(conversation.id), true);
  }
}

export async function retry(one: OpenConversation, message: string, choice?: Choice): Promise<void> {
  const answer = await api.post<{ assistant: Message }>(`${path(one.id)}/messages/${encodeURIComponent(message)}/retry`, choice ? { model: choice.model, plan: choice.plan ?? '' } : {});
  take(one, answer.assistant);
}

export async function stop(one: OpenConversation): Promise<void> {
  await api.post(`${path(one.id)}/stop`);
}

/** The answer to a call may come after its first events, which know more. */
function take(one: OpenConversation, message: Message): void {
  if (one.tree.get(message.id) === undefined) {
    receiveMessage(one.id, message);
  } else if (!one.path.peek().includes(message.id)) {
    select(one, message.id);
  }
}

export function isGenerating(one: OpenConversation | null): boolean {
  return one !== null && one.path.value.some(id => one.tree.get(id)?.value.state === 'generating');
}
