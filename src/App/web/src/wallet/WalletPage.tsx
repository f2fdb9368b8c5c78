import { useState } from 'preact/hooks';
import { api } from '../api';
import { isToNote, setToNote } from '../setup/noted';
import { settings, wallet } from '../store';
import { useAction } from '../ui/action';
import { Callout, Page, Section } from '../ui/controls';
import { Act, Explain } from '../ui/form';
import { formatNumber, fromNow } from '../ui/words';
import type { WalletView } from '../wire';
import { Audit } from './Audit';
import { Backup } from './Backup';
import { Checkout } from './Checkout';
import { Deposit } from './Deposit';
import { Fill } from './Fill';
import { History } from './History';
import { Plans } from './Plans';
import { Refills } from './Refills';
import { Subscriptions } from './Subscriptions';

export function WalletPage() {
  const view = wallet.value;
  if (view === null) {
    return (
      <Page title="Wallet">
        <Callout>This device has no wallet: it asks a server of its own by a device key. Nothing is paid, so there are no credits and no tokens.</Callout>
      </Page>
    );
  }
  return (
    <Page title="Wallet">
      <p class="lead">Credits lie in your account at the issuer. Tokens lie on this computer, and nobody but you knows which they are.</p>
      <Figures view={view} />
      <Troubles view={view} />
      <div class="columns">
        <Section title="Add credits">
          <Deposit />
          <Online />
        </Section>
        <Section title="Get tokens">
          <p class="hint">One token pays for one question.</p>
          <Fill plans={view.plans} balance={view.credits} />
        </Section>
      </div>
      <Section title="What you hold">
        <Plans view={view} minCrowd={settings.value?.minCrowd ?? 64} />
      </Section>
      <Subscriptions view={view} />
      <div class="columns">
        <Section title="Refills"><Refills /></Section>
        <Section title="History"><History /></Section>
      </div>
      <Section title="The issuer's keys"><Audit /></Section>
      <Section title="Seed and backup"><Backup view={view} /></Section>
    </Page>
  );
}

function Figures({ view }: { view: WalletView }) {
  const refresh = useAction(() => api.post('/app/wallet/refresh-account'));
  const questions = view.plans.filter(plan => plan.kind === 'request').reduce((sum, plan) => sum + plan.held + plan.unknown, 0);
  const isKnown = view.credits !== undefined && view.credits !== null;
  return (
    <dl class="figures">
      <div class={view.lowBalance ? 'figure low' : 'figure'}>
        <dt>Credits</dt>
        <dd class="figure-value">{isKnown ? formatNumber(view.credits!) : '–'}</dd>
        <dd class="figure-note">
          {refresh.failure ? <span class="error">{refresh.failure.message}</span> : isKnown ? 'as the issuer last told' : view.hasAccount ? 'not asked for yet' : 'no account yet'}
          {view.hasAccount && <Act kind="quiet" isBusy={refresh.isBusy} onPress={refresh.run} label="Ask now for the credits">Ask now</Act>}
        </dd>
      </div>
      <div class="figure">
        <dt>Questions ready</dt>
        <dd class="figure-value">{formatNumber(questions)}</dd>
        <dd class="figure-note">{view.subscriptions.length > 0 ? 'and those of subscriptions, without a count' : 'one token each'}</dd>
      </div>
      <div class="figure">
        <dt>Next look at the issuer</dt>
        <dd class="figure-value">{view.nextRefill ? fromNow(view.nextRefill) : 'none'}</dd>
        <dd class="figure-note">{view.nextRefill ? 'drawn by lot, so that the time tells nothing' : 'refills are off'}</dd>
      </div>
    </dl>
  );
}

function Troubles({ view }: { view: WalletView }) {
  return (
    <>
      {view.problem && <Callout kind="error">{view.problem}</Callout>}
      {view.lowBalance && <Callout kind="warning">Your credits don't pay for the next refill. What you hold goes on working.</Callout>}
      {isToNote.value && (
        <Callout kind="warning" actions={<Act onPress={() => setToNote(false)}>I have them on paper</Act>}>
          Recovery seed and account key may not be on paper yet: without them nothing brings this wallet back. They are shown <a href="#/wallet" onClick={toBackup}>below</a>.
        </Callout>
      )}
      {!view.recoverable && <Callout kind="warning">No seed brings these tokens back, as this wallet takes fresh random numbers for each. Save a backup file after buying.</Callout>}
    </>
  );
}

function toBackup(event: Event): void {
  event.preventDefault();
  document.querySelector('.reveals')?.scrollIntoView({ block: 'center' });
}

function Online() {
  const [isOpen, setOpen] = useState(false);
  return <Explain term="Pay online" onToggle={setOpen}>{isOpen && <Checkout />}</Explain>;
}
