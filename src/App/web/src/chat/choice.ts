// Which model and plan the next message goes to, and what a chat that does not exist yet begins with.
import { signal } from '@preact/signals';
import { api } from '../api';
import { settings } from '../store';
import type { Models, ModelView } from '../wire';
import type { Choice } from '../models/ModelPicker';
import type { OpenConversation } from './conversations';

/** Chosen for the next new chat; null takes the settings' default, or a model whose tokens are there. */
export const newChoice = signal<Choice | null>(null);
/** The system prompt of the next new chat; null takes the settings' default. */
export const newSystem = signal<string | null>(null);
const models = signal<readonly ModelView[]>([]);
let loading: Promise<Models> | null = null;

export function currentChoice(one: OpenConversation | null): Choice | null {
  const head = one?.head.value;
  const model = head?.model ?? newChoice.value?.model ?? settings.value?.defaultModel ?? firstOf(models.value)?.id;
  if (!model) {
    return null;
  }
  return { model, plan: head?.model ? head.plan ?? null : newChoice.value ? newChoice.value.plan : settings.value?.defaultPlan ?? null };
}

/** What costs nothing more: a model whose tokens are here, the cheapest of those. One without would be bought for in the moment of the question, which links the two by time. */
function firstOf(all: readonly ModelView[]): ModelView | undefined {
  const cost = (model: ModelView) => Math.min(...model.plans.map(plan => (plan.held > 0 ? 0 : 1e9) + (plan.kind === 'subscription' && plan.held > 0 ? 0 : plan.price)));
  return [...all].sort((a, b) => cost(a) - cost(b))[0];
}

export async function choose(one: OpenConversation | null, choice: Choice): Promise<void> {
  newChoice.value = choice;
  if (one !== null && one.head.value !== null) {
    await api.patch(`/app/conversations/${encodeURIComponent(one.id)}`, { model: choice.model, plan: choice.plan ?? '' });
    one.head.value = { ...one.head.value, model: choice.model, plan: choice.plan };
  }
}

/** Asked once for a tab: for the first model where none was ever chosen, and for how much goes with one question. */
export async function loadModels(): Promise<void> {
  if (models.value.length === 0) {
    loading ??= api.get<Models>('/app/models').finally(() => { loading = null; });
    models.value = (await loading).models;
  }
}

/** How many bytes go with one question at most, by the plans that could pay for it; null where that is not known. */
export function mostInput(choice: Choice | null): number | null {
  const plans = models.value.find(model => model.id === choice?.model)?.plans.filter(plan => choice?.plan == null || plan.id === choice.plan) ?? [];
  return plans.length === 0 ? null : Math.max(...plans.map(plan => plan.maxInputBytes));
}
