import { useState } from 'preact/hooks';
import { Choices } from '../ui/form';
import { Invited } from './Invited';
import { OwnServer } from './OwnServer';
import { Restore } from './Restore';
import type { Made } from './SetupPage';

type Way = 'invited' | 'restore' | 'device';

/** The first step: whom the tokens come from, or that there are none. */
export function Where({ onDone }: { onDone: (made: Made) => void }) {
  const [way, setWay] = useState<Way>('invited');
  return (
    <>
      <h2 tabIndex={-1}>Where do your tokens come from?</h2>
      <Choices<Way>
        legend="Where do your tokens come from?"
        hideLegend
        layout="columns"
        value={way}
        onChange={setWay}
        choices={[
          { value: 'invited', title: 'From a provider', text: 'You were given an invitation, or an address.' },
          { value: 'restore', title: 'From a wallet I had', text: 'You have its recovery seed or a backup file.' },
          { value: 'device', title: 'I run the models myself', text: 'A server of your own. No payment, no tokens.' },
        ]}
      />
      {way === 'invited' && <Invited onDone={onDone} />}
      {way === 'restore' && <Restore onDone={onDone} />}
      {way === 'device' && <OwnServer onDone={onDone} />}
    </>
  );
}
