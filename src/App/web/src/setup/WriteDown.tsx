import { useEffect, useMemo, useState } from 'preact/hooks';
import { TextField } from '../ui/controls';
import { Act, Form } from '../ui/form';
import { Secret } from '../wallet/Secret';
import { setToNote } from './noted';
import type { Made } from './SetupPage';

const wrong = 'That differs from what was shown. Look at your note, or see it again.';

/** The second step: two secrets on paper, and a look whether they got there. */
export function WriteDown({ made, onDone }: { made: Made; onDone: () => void }) {
  const [isChecking, setChecking] = useState(false);
  useEffect(() => document.querySelector<HTMLElement>('.setup-card h2')?.focus(), [isChecking]);
  if (isChecking) {
    return <Check made={made} onBack={() => setChecking(false)} onDone={onDone} />;
  }
  return (
    <>
      <h2 tabIndex={-1}>Write these down</h2>
      <p>
        Nobody keeps a copy for you: there is no e-mail address that a new password could be sent to. If this computer breaks or gets lost, these bring everything back. Whoever else has them can spend what is yours, so paper in a
        safe place is best.
      </p>
      {made.seed && <Secret title="Recovery seed" text="Brings back this wallet and the tokens in it." value={made.seed} />}
      {made.accountKey && <Secret title="Account key" text="Opens your account at the issuer, with the credits in it." value={made.accountKey} />}
      <div class="form-actions">
        <Act kind="primary" onPress={() => setChecking(true)}>I have written them down</Act>
        <Act kind="quiet" onPress={() => window.print()}>Print</Act>
      </div>
    </>
  );
}

/** Asks for one group of each, so that a note with a mistake is found today. */
function Check({ made, onBack, onDone }: { made: Made; onBack: () => void; onDone: () => void }) {
  const asked = useMemo(() => ({ seed: pick(made.seed), account: pick(made.accountKey) }), [made]);
  const [seed, setSeed] = useState('');
  const [account, setAccount] = useState('');
  const [isTried, setTried] = useState(false);
  const isSeedFine = asked.seed === null || isSame(seed, asked.seed.group);
  const isAccountFine = asked.account === null || isSame(account, asked.account.group);

  function submit(): void {
    setTried(true);
    if (isSeedFine && isAccountFine) {
      setToNote(false);
      onDone();
    }
  }

  return (
    <>
      <h2 tabIndex={-1}>Is your note right?</h2>
      <p>Better to find a mistake now than when you need it. Read from the paper.</p>
      <Form onSubmit={submit}>
        {asked.seed && <TextField label={`Recovery seed, group ${asked.seed.place} of ${asked.seed.of}`} class="mono short" value={seed} onInput={setSeed} error={isTried && !isSeedFine ? wrong : null} />}
        {asked.account && <TextField label={`Account key, group ${asked.account.place} of ${asked.account.of}`} class="mono short" value={account} onInput={setAccount} error={isTried && !isAccountFine ? wrong : null} />}
        <div class="form-actions">
          <Act kind="primary">Continue</Act>
          <Act kind="quiet" onPress={onBack}>Show them again</Act>
        </div>
      </Form>
    </>
  );
}

function pick(secret: string | null | undefined): { place: number; of: number; group: string } | null {
  const groups = secret?.split('-').filter(group => group !== '') ?? [];
  // Those of four symbols: the last ones are shorter.
  const long = groups.filter(group => group.length >= 4).length;
  const place = long === 0 ? 0 : crypto.getRandomValues(new Uint32Array(1))[0]! % long;
  return long === 0 ? null : { place: place + 1, of: groups.length, group: groups[place]! };
}

/** Crockford's base32: case does not matter, O is 0, I and L are 1. */
function isSame(typed: string, group: string): boolean {
  const plain = (text: string) => text.toUpperCase().replace(/[\s-]/g, '').replaceAll('O', '0').replace(/[IL]/g, '1');
  return plain(typed) === plain(group);
}
