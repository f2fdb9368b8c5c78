import { Explain } from '../ui/form';
import { credits, formatNumber, utcDay } from '../ui/words';
import type { WalletPlan, WalletView } from '../wire';
import { Crowd } from './Crowd';

export function Plans({ view, minCrowd }: { view: WalletView; minCrowd: number }) {
  const plans = view.plans.filter(plan => plan.kind === 'request');
  return (
    <>
      {plans.length === 0 ? <p class="hint">The issuer offers no plan for single questions right now.</p> : (
        <ul class="cards">{plans.map(plan => <PlanCard key={plan.id} plan={plan} minCrowd={minCrowd} />)}</ul>
      )}
      <Explain term="What is a crowd?">
        <p>When a token is shown, the gateway sees which plan it is of and nothing more. You are then one of all who bought that plan in the same period: they are your crowd.</p>
        <p>The issuer says how many they are, rounded down. Nobody can check that, so take it as the most it may be. Below {formatNumber(minCrowd)} you are warned; <a href="#/settings">settings</a> change the number.</p>
      </Explain>
    </>
  );
}

function PlanCard({ plan, minCrowd }: { plan: WalletPlan; minCrowd: number }) {
  const rest = [
    plan.pending > 0 && `${formatNumber(plan.pending)} on the way`,
    plan.returned > 0 && `${formatNumber(plan.returned)} came back unused, to be exchanged`,
    plan.unknown > 0 && `${formatNumber(plan.unknown)} restored, perhaps used before`,
    plan.spent > 0 && `${formatNumber(plan.spent)} used`,
  ].filter(Boolean);
  return (
    <li class="card">
      <div class="card-head"><h3>{plan.id}</h3><span>{credits(plan.price)} a question</span></div>
      <p class="hint">{plan.models.join(', ')}</p>
      <p class="card-value"><strong>{formatNumber(plan.held)}</strong> {plan.held === 1 ? 'token' : 'tokens'}{plan.deadline && plan.held > 0 && <span class="hint"> until {utcDay(plan.deadline)}</span>}</p>
      {rest.length > 0 && <p class="hint">{rest.join(' · ')}</p>}
      <Crowd size={plan.crowd} minimum={minCrowd} />
    </li>
  );
}
