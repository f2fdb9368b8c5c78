import { useEffect, useState } from 'preact/hooks';
import { api } from '../api';
import { loadWays, ways } from '../settings/ways';
import { settings } from '../store';
import { useAction } from '../ui/action';
import { Callout, Spinner } from '../ui/controls';
import { Dialog } from '../ui/dialog';
import { Act, FormFailure } from '../ui/form';
import { Icon } from '../ui/icons';
import { credits, formatNumber, pages, tokens, utcDay } from '../ui/words';
import { Crowd } from '../wallet/Crowd';
import type { ModelPlan, Models, ModelView } from '../wire';

export interface Choice {
  model: string;
  /** Null leaves it to the wallet, which takes the cheapest that serves. */
  plan: string | null;
}

/** Models with their plans, prices and crowds. `onChoose` is followed by `onClose`. */
export function ModelPicker({ current, onChoose, onClose }: { current: Choice | null; onChoose: (choice: Choice) => void; onClose: () => void }) {
  const [search, setSearch] = useState('');
  const list = useAction(() => api.get<Models>('/app/models'));
  useEffect(() => void list.run(), []);
  const models = list.result?.models ?? [];
  const found = models.filter(model => model.id.toLowerCase().includes(search.trim().toLowerCase()));

  function choose(choice: Choice): void {
    onChoose(choice);
    onClose();
  }

  return (
    <Dialog title="Model" wide onClose={onClose}>
      <div class="form model-picker">
        {models.length > 6 && <input type="search" class="search-field" aria-label="Search models" placeholder="Search models" value={search} onInput={event => setSearch(event.currentTarget.value)} />}
        {list.isBusy && list.result === null && <p class="row hint" role="status"><Spinner /> Asking the gateway</p>}
        <FormFailure failure={list.failure} actions={<Act onPress={list.run}>Try again</Act>} />
        {list.result?.unavailable && <Callout kind="warning" actions={<Act isBusy={list.isBusy} onPress={list.run}>Ask again</Act>}>{list.result.unavailable}</Callout>}
        <ul class="models">
          {found.map(model => <ModelEntry key={model.id} model={model} current={current?.model === model.id ? current : null} onChoose={choose} />)}
        </ul>
        {list.result !== null && found.length === 0 && <p class="hint">{models.length === 0 ? 'No model can be asked right now.' : 'No model of that name.'}</p>}
        {list.result !== null && <Way view={list.result} onLeave={onClose} />}
      </div>
    </Dialog>
  );
}

/** What the way that questions take now hides, below the choice of who answers them. */
function Way({ view, onLeave }: { view: Models; onLeave: () => void }) {
  useEffect(() => void loadWays(), []);
  const carrying = ways.value?.carrying.find(way => way.id === view.way);
  const serving = ways.value?.serving.find(way => way.id === view.serving);
  return (
    <section class="way" aria-label="Privacy">
      {carrying && <p><Icon name="circuit" size={16} /><span><strong>{carrying.name}.</strong> {carrying.summary}</span></p>}
      {serving && <p><Icon name="shield" size={16} /><span><strong>{serving.name}.</strong> {serving.summary}</span></p>}
      <p><Icon name="eye" size={16} /><span>Whichever model you choose reads what you write; it never gets who you are. <a href="#/settings" onClick={onLeave}>Change how questions travel</a></span></p>
    </section>
  );
}

function ModelEntry({ model, current, onChoose }: { model: ModelView; current: Choice | null; onChoose: (choice: Choice) => void }) {
  // Where the wallet has a choice, a subscription pays first, then the cheapest.
  const plans = [...model.plans].sort((a, b) => Number(b.kind === 'subscription' && b.held > 0) - Number(a.kind === 'subscription' && a.held > 0) || a.price - b.price);
  const first = plans[0];
  const isCurrent = current !== null;
  return (
    <li class={isCurrent ? 'model chosen' : 'model'}>
      <button type="button" class="model-main" aria-current={isCurrent && current.plan === null ? 'true' : undefined} onClick={() => onChoose({ model: model.id, plan: null })}>
        <span class="model-name">{model.id}{isCurrent && current.plan === null && <Icon name="check" size={16} />}</span>
        {first && <span class="model-price">{priceOf(first)}</span>}
        {first && <span class="hint">{heldOf(first)}</span>}
      </button>
      {first && <Crowd size={first.crowd} minimum={settings.value?.minCrowd ?? 64} />}
      {plans.length > 1 && (
        <details class="explain">
          <summary>Let a certain plan pay</summary>
          <ul class="model-plans">
            {plans.map(plan => (
              <li key={plan.id}>
                <button type="button" class="model-plan" aria-current={isCurrent && current.plan === plan.id ? 'true' : undefined} onClick={() => onChoose({ model: model.id, plan: plan.id })}>
                  <span><strong>{plan.id}</strong> {priceOf(plan)}{isCurrent && current.plan === plan.id && <Icon name="check" size={16} />}</span>
                  <span class="hint">{heldOf(plan)} · chats of {pages(plan.maxInputBytes)}, answers up to {formatNumber(plan.maxOutputTokens)} tokens</span>
                </button>
              </li>
            ))}
          </ul>
        </details>
      )}
    </li>
  );
}

const priceOf = (plan: ModelPlan): string => (plan.kind === 'subscription' ? (plan.held > 0 ? 'by your subscription' : `${credits(plan.price)} a period`) : `${credits(plan.price)} a question`);

function heldOf(plan: ModelPlan): string {
  if (plan.kind === 'subscription') {
    return plan.held > 0 ? `${formatNumber(plan.held)} at a time${plan.until ? ` until ${utcDay(plan.until)}` : ''}` : 'not subscribed';
  }
  return plan.held > 0 ? `${tokens(plan.held)} here${plan.until ? `, good until ${utcDay(plan.until)}` : ''}` : 'no token here: one is bought when you ask';
}
