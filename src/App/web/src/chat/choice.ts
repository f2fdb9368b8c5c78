// Which model and plan the next message goes to, and what a chat that does not exist yet begins with.
import { signal } from '@preact/signals';
import { api } from '../api';
import { settings } from '../store';
import type { Models } from '../wire';
import type { Choice } from '../models/ModelPicker';
import type { OpenConversation } from './conversations';

/** Chosen for the next new chat; null takes the settings' default, or the first model there is. */
export const newChoice = signal<Choice | null>(null);
/** The system prompt of the next new chat; null takes the settings' default. */
export const newSystem = signal<string | null>(null);
const firstModel = signal<string | null>(null);

export function currentChoice(one: OpenConversation | null): Choice | null {
  const head = one?.head.value;
  const model = head?.model ?? newChoice.value?.model ?? settings.value?.defaultModel ?? firstModel.value;
  if (!model) {
    return null;
  }
  return { model, plan: head?.model ? head.plan ?? null : newChoice.value ? newChoice.value.plan : settings.value?.defaultPlan ?? null };
}

export async function choose(one: OpenConversation | null, choice: Choice): Promise<void> {
  newChoice.value = choice;
  if (one !== null && one.head.value !== null) {
    await api.patch(`/app/conversations/${encodeURIComponent(one.id)}`, { model: choice.model, plan: choice.plan ?? '' });
    one.head.value = { ...one.head.value, model: choice.model, plan: choice.plan };
  }
}

/** Where no model was ever chosen, the first one that can be asked. */
export async function findFirstModel(): Promise<void> {
  if (firstModel.value === null && !settings.value?.defaultModel) {
    const { models } = await api.get<Models>('/app/models');
    firstModel.value = models[0]?.id ?? null;
  }
}
