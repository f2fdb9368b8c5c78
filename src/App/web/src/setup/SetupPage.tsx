import { useEffect, useState } from 'preact/hooks';
import { go } from '../router';
import { mode } from '../store';
import { Mark } from '../ui/icons';
import { DeviceDone } from './DeviceDone';
import { FirstCredits } from './FirstCredits';
import { Idea } from './Idea';
import { RestoreTokens } from './RestoreTokens';
import { Steps } from './Steps';
import { Where } from './Where';
import { WriteDown } from './WriteDown';

/** What the first step made. Secrets stay in this page's memory, until the step that shows them is over. */
export interface Made {
  how: 'new' | 'restored' | 'device';
  seed?: string | null | undefined;
  accountKey?: string | null | undefined;
  device?: string | null | undefined;
  voucher?: string | undefined;
}

/** The first run, in three steps: where from, write down, first question. Shown instead of everything else while there is no wallet. */
export function SetupPage() {
  const [made, setMade] = useState<Made | null>(null);
  const [step, setStep] = useState(mode.value === 'setup' ? 1 : 3);

  // Once there is a wallet, only the address keeps this page from giving way to the chats.
  useEffect(() => go(mode.value === 'device' ? '#/' : '#/setup', true), []);

  return (
    <div class="setup">
      <main class="setup-inner">
        <header class="setup-head">
          <Mark size={44} />
          <h1>{step === 1 ? 'Ask AI without being known' : 'Welcome to Tacit'}</h1>
          {step === 1 && (
            <p class="lead">
              Tacit pays for AI models on your behalf so that nobody can tell which questions were yours: not the shop that takes your money, not the server that passes your questions on, not the model.
            </p>
          )}
        </header>
        {step === 1 && <Idea />}
        <Steps at={step} names={namesOf(made)} />
        <section class="setup-card">
          {step === 1 && <Where onDone={result => { setMade(result); setStep(2); }} />}
          {step === 2 && made?.how === 'new' && <WriteDown made={made} onDone={() => setStep(3)} />}
          {step === 2 && made?.how === 'restored' && <RestoreTokens onDone={() => setStep(3)} />}
          {step === 2 && made?.how === 'device' && <DeviceDone device={made.device ?? ''} />}
          {step === 3 && <FirstCredits voucher={made?.voucher} />}
        </section>
      </main>
    </div>
  );
}

function namesOf(made: Made | null): string[] {
  switch (made?.how) {
    case 'device':
      return ['Your server', 'Let this device in'];
    case 'restored':
      return ['Where from', 'Bring tokens back', 'First question'];
    default:
      return ['Where from', 'Write down', 'First question'];
  }
}
