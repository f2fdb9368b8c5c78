import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { api } from '../api';
import { go } from '../router';
import { settings, wallet } from '../store';
import { useAction } from '../ui/action';
import { Callout, SelectField } from '../ui/controls';
import { Act, Explain, FormFailure } from '../ui/form';
import { Icon } from '../ui/icons';
import { credits, tokens } from '../ui/words';
import { Checkout } from '../wallet/Checkout';
import { Deposit } from '../wallet/Deposit';
import { Fill } from '../wallet/Fill';

/** The third step: credits, tokens, a model, a question. What is done folds away. */
export function FirstCredits({ voucher }: { voucher?: string | undefined }) {
  const [wantsPrices, setWantsPrices] = useState(false);
  const view = wallet.value;
  const plans = view?.plans ?? [];
  const balance = view?.credits ?? 0;
  const held = plans.reduce((sum, plan) => sum + plan.held + plan.unknown, 0);
  const canAsk = held > 0 || (view?.subscriptions.length ?? 0) > 0;
  const at = canAsk ? 3 : balance > 0 ? 2 : 1;

  return (
    <>
      <h2 tabIndex={-1}>Your first question</h2>
      <ol class="tasks">
        <Task place={1} at={at} title="Add credits" done={balance > 0 ? credits(balance) : 'not needed now'}>
          <p>Credits are what you pay for. They lie in your account at the issuer.</p>
          <Deposit code={voucher} />
          <Explain term="I have no voucher: pay online" onToggle={isOpen => setWantsPrices(isOpen)}>{wantsPrices && <Checkout isAsked />}</Explain>
        </Task>
        <Task place={2} at={at} title="Turn credits into tokens" done={tokens(held)}>
          <p>One token pays for one question. Your wallet makes the tokens itself and has them signed in closed envelopes: the issuer counts them and never sees them. So nobody can tell later who bought a token.</p>
          <Fill plans={plans} balance={balance} />
        </Task>
        <Task place={3} at={at} title="Choose a model and ask"><FirstModel /></Task>
      </ol>
      <p class="hint"><a href="#/">Skip the rest</a> and look around first.</p>
    </>
  );
}

function Task({ place, at, title, done, children }: { place: number; at: number; title: string; done?: string; children: ComponentChildren }) {
  const heading = useRef<HTMLHeadingElement>(null);
  const wasAt = useRef(at);
  useEffect(() => {
    // What was worked on has just folded away: the next one takes the focus over.
    if (at === place && wasAt.current !== at) {
      heading.current?.focus();
    }
    wasAt.current = at;
  }, [at]);
  return (
    <li class={place === at ? 'task now' : place < at ? 'task done' : 'task'} aria-current={place === at ? 'step' : undefined}>
      <h3 ref={heading} tabIndex={-1}>{title}{place < at && <span class="task-result"><Icon name="check" size={16} /> {done}</span>}</h3>
      {place === at && <div class="task-body">{children}</div>}
    </li>
  );
}

function FirstModel() {
  const view = wallet.value;
  const held = view?.plans.filter(plan => plan.held + plan.unknown > 0 || view.subscriptions.some(entry => entry.plan === plan.id)) ?? [];
  const models = [...new Set(held.flatMap(plan => plan.models))];
  const [model, setModel] = useState(settings.value?.defaultModel ?? models[0] ?? '');
  const isSmall = held.some(plan => typeof plan.crowd === 'number' && plan.crowd < (settings.value?.minCrowd ?? 64));
  const save = useAction(async () => {
    await api.put('/app/settings', { defaultModel: model });
    go('#/');
  });

  return (
    <div class="form">
      {models.length > 1
        ? <SelectField label="Model" value={model} options={models.map(id => ({ value: id, label: id }))} onChange={setModel} hint="You can take another one for every question." />
        : <p>Your tokens buy the model <strong>{models[0]}</strong>.</p>}
      <Callout>
        What stays visible: <strong>the moment</strong>, as whoever buys and asks within minutes can be guessed by the clock (later your wallet buys ahead, at random times);
        {isSmall && <> <strong>the crowd</strong>, as few people share your plan so far;</>} and <strong>your own words</strong>, should you sign them.
      </Callout>
      <FormFailure failure={save.failure} />
      <div class="form-actions">
        <Act kind="primary" isBusy={save.isBusy} onPress={save.run}>Ask the first question</Act>
      </div>
    </div>
  );
}
