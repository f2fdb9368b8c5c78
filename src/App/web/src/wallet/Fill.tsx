import { useState } from 'preact/hooks';
import { api } from '../api';
import { useAction } from '../ui/action';
import { SelectField } from '../ui/controls';
import { Act, Choices, Form, FormFailure, Progress, Success } from '../ui/form';
import { credits, formatNumber, tokens } from '../ui/words';
import type { FillView, WalletPlan } from '../wire';

/** What wallets buy in: the same few sizes for everybody. */
export const standardSizes = [1, 2, 5, 10, 50, 100, 250, 1000];

/** The largest size up to a hundred that the credits pay for. */
export function suggestedSize(balance: number | null | undefined, price: number): number {
  return standardSizes.filter(size => size <= 100 && (typeof balance !== 'number' || size * price <= balance)).pop() ?? 1;
}

/** Credits become tokens. */
export function Fill({ plans, balance }: { plans: readonly WalletPlan[]; balance: number | null | undefined }) {
  const buyable = plans.filter(plan => plan.kind === 'request').sort((a, b) => a.price - b.price);
  const [planId, setPlanId] = useState('');
  const [chosen, setChosen] = useState<number | null>(null);
  const plan = buyable.find(entry => entry.id === planId) ?? buyable[0];
  const size = chosen ?? suggestedSize(balance, plan?.price ?? 1);
  const look = useAction(() => api.post('/app/wallet/refresh-account'));
  const fill = useAction(() => api.post<FillView>('/app/wallet/fill', { plan: plan?.id, size, shrink: false }));

  if (plan === undefined) {
    return (
      <div class="form">
        <p class="hint">{plans.length === 0 ? 'What the issuer sells is not known here yet.' : 'The issuer sells no tokens for single questions right now.'}</p>
        <FormFailure failure={look.failure} />
        <div class="form-actions"><Act isBusy={look.isBusy} onPress={look.run}>Ask the issuer</Act></div>
      </div>
    );
  }

  async function submit(): Promise<void> {
    if ((await fill.run()) !== null) {
      setChosen(null);
    }
  }

  return (
    <Form onSubmit={submit}>
      {buyable.length > 1 && (
        <SelectField label="Plan" value={plan.id} onChange={setPlanId}
          options={buyable.map(entry => ({ value: entry.id, label: `${entry.id} · ${credits(entry.price)} a question · ${entry.models.join(', ')}` }))} />
      )}
      <Choices legend="How many" layout="chips" value={String(size)} onChange={value => setChosen(Number(value))}
        choices={standardSizes.map(value => ({ value: String(value), title: formatNumber(value), disabled: typeof balance === 'number' && value * plan.price > balance && value !== size }))} />
      <FormFailure failure={fill.failure} />
      {fill.isBusy && <Progress label={`The issuer signs ${tokens(size)} without seeing them`} />}
      <div class="form-actions">
        <Act kind="primary" isBusy={fill.isBusy}>Get {tokens(size)} for {credits(size * plan.price)}</Act>
      </div>
      {fill.result !== null && !fill.isBusy && fill.failure === null && <Success>{told(fill.result)}</Success>}
      <p class="hint">Everybody buys in these sizes, so that the amount tells nobody apart. Few large purchases tell less than many small ones.</p>
    </Form>
  );
}

function told({ received, pending }: FillView): string {
  const came = received > 0 ? `${tokens(received)} came.` : 'Nothing new came.';
  return pending > 0 ? `${came} ${tokens(pending)} not answered yet: the wallet asks again by itself, and nothing is paid twice.` : came;
}
