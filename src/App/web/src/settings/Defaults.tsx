import { useEffect, useState } from 'preact/hooks';
import { mode, wallet } from '../store';
import { SelectField, Switch } from '../ui/controls';
import { Act, TextArea } from '../ui/form';
import { credits } from '../ui/words';
import type { Settings } from '../wire';
import { change } from './change';

/** What a new chat begins with, and what pays where there is a choice. */
export function Defaults({ now }: { now: Settings }) {
  const plans = wallet.value?.plans ?? [];
  const models = [...new Set([...plans.flatMap(plan => plan.models), ...(now.defaultModel ? [now.defaultModel] : [])])];
  const fitting = plans.filter(plan => !now.defaultModel || plan.models.includes(now.defaultModel));
  return (
    <>
      {models.length > 0 && (
        <SelectField label="Model" value={now.defaultModel ?? ''} onChange={value => void change({ defaultModel: value || null })}
          options={[{ value: '', label: 'The one used last' }, ...models.map(id => ({ value: id, label: id }))]} />
      )}
      {mode.value === 'wallet' && (
        <>
          <SelectField label="Plan that pays" value={now.defaultPlan ?? ''} onChange={value => void change({ defaultPlan: value || null })}
            options={[{ value: '', label: 'The cheapest that fits' }, ...fitting.map(plan => ({ value: plan.id, label: `${plan.id} (${credits(plan.price)})` }))]} />
          <SelectField label="When a chat outgrows its plan" value={now.outgrownPlan} onChange={outgrownPlan => void change({ outgrownPlan })}
            options={[{ value: 'larger', label: 'Let a larger plan pay' }, { value: 'trim', label: 'Leave out its oldest messages' }, { value: 'ask', label: 'Stop and ask me' }]}
            hint="Every question carries the chat so far. A larger plan's token costs more and may hide among fewer people." />
          <Switch label="Wait for a subscription that is in use" checked={now.waitForSubscription} onChange={waitForSubscription => void change({ waitForSubscription })} hint="Up to two minutes. Otherwise a token pays meanwhile." />
        </>
      )}
      <SystemPrompt value={now.defaultSystem ?? ''} />
    </>
  );
}

function SystemPrompt({ value }: { value: string }) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  return (
    <div class="form">
      <TextArea label="System prompt" rows={3} value={text} onInput={setText} hint="Goes before every new chat. What you write about yourself here goes to the model with each question." />
      {text !== value && (
        <div class="form-actions">
          <Act kind="primary" onPress={() => change({ defaultSystem: text.trim() === '' ? null : text })}>Keep</Act>
          <Act kind="quiet" onPress={() => setText(value)}>Undo</Act>
        </div>
      )}
    </div>
  );
}
