import { api } from '../api';
import { useAction } from '../ui/action';
import { Badge, Callout, Section } from '../ui/controls';
import { confirm } from '../ui/dialog';
import { Act, FormFailure } from '../ui/form';
import { credits, plural, utcDay } from '../ui/words';
import type { SubscriptionView, WalletPlan, WalletView } from '../wire';

export function Subscriptions({ view }: { view: WalletView }) {
  const offered = view.plans.filter(plan => plan.kind === 'subscription' && !view.subscriptions.some(entry => entry.plan === plan.id));
  if (offered.length === 0 && view.subscriptions.length === 0) {
    return null;
  }
  return (
    <Section title="Subscriptions">
      <p class="hint">Any number of questions until a period's end, a few at a time. As hard to link as single tokens: each question brings the token for the next.</p>
      <ul class="cards">
        {view.subscriptions.map(entry => <Subscribed key={`${entry.plan} ${entry.until}`} entry={entry} />)}
        {offered.map(plan => <Offered key={plan.id} plan={plan} />)}
      </ul>
    </Section>
  );
}

function Subscribed({ entry }: { entry: SubscriptionView }) {
  const stop = useAction(() => api.post('/app/wallet/unsubscribe', { plan: entry.plan }));
  const renew = useAction(() => api.post('/app/wallet/subscribe', { plan: entry.plan, renews: true }));
  const restart = useAction(() => api.post('/app/wallet/restart', { plan: entry.plan }));

  async function startAnew(): Promise<void> {
    if (await confirm('Start it anew?', 'The issuer gives one new beginning for each period, and sees that your account asked for it.', 'Start anew')) {
      await restart.run();
    }
  }

  return (
    <li class="card">
      <div class="card-head"><h3>{entry.plan}</h3><Badge kind="good">active</Badge></div>
      <p class="card-value"><strong>{entry.ready + entry.busy}</strong> at a time<span class="hint"> until {utcDay(entry.until)}</span></p>
      <p class="hint">
        {entry.renews ? `Renews by itself${entry.renewsAt ? `, around ${utcDay(entry.renewsAt)}` : ''}.` : 'Ends then.'}
        {entry.busy > 0 && ` ${entry.busy} in use now.`}
      </p>
      {entry.lost > 0 && (
        <Callout kind="warning" actions={<Act isBusy={restart.isBusy} onPress={startAnew}>Start anew</Act>}>
          {plural(entry.lost, 'of its chains was', 'of its chains were')} continued elsewhere, so it has ended here. If that was not you, somebody has a copy of this wallet.
        </Callout>
      )}
      {entry.refused > 0 && <Callout kind="error">The gateway renews it no more. Ask whoever runs it.</Callout>}
      <FormFailure failure={stop.failure ?? renew.failure ?? restart.failure} />
      <div class="form-actions">
        {entry.renews ? <Act isBusy={stop.isBusy} onPress={stop.run}>Don't renew</Act> : <Act isBusy={renew.isBusy} onPress={renew.run}>Renew by itself</Act>}
      </div>
    </li>
  );
}

function Offered({ plan }: { plan: WalletPlan }) {
  const subscribe = useAction(() => api.post('/app/wallet/subscribe', { plan: plan.id, renews: true }));

  async function ask(): Promise<void> {
    if (await confirm(`Subscribe to ${plan.id}?`, `${credits(plan.price)} now, and again ahead of each ${plan.period} until you stop it.`, `Subscribe for ${credits(plan.price)}`)) {
      await subscribe.run();
    }
  }

  return (
    <li class="card">
      <div class="card-head"><h3>{plan.id}</h3><span>{credits(plan.price)} a {plan.period}</span></div>
      <p class="hint">{plan.models.join(', ')}</p>
      <FormFailure failure={subscribe.failure} />
      <div class="form-actions"><Act isBusy={subscribe.isBusy} onPress={ask}>Subscribe</Act></div>
    </li>
  );
}
