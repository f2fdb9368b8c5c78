import { useState } from 'preact/hooks';
import { api } from '../api';
import { failureOf, useAction } from '../ui/action';
import { Field, TextField } from '../ui/controls';
import { toBase64 } from '../ui/files';
import { Act, Choices, Form, TextArea } from '../ui/form';
import type { SetupResult } from '../wire';
import { Connecting } from './Connecting';
import { ConnectionHelp } from './ConnectionHelp';
import { isKey, readInvitation } from './invitation';
import type { Made } from './SetupPage';

/** Brings a wallet back, from its seed or from a backup file. */
export function Restore({ onDone }: { onDone: (made: Made) => void }) {
  const [from, setFrom] = useState<'seed' | 'backup'>('seed');
  const [seed, setSeed] = useState('');
  const [accountKey, setAccountKey] = useState('');
  const [file, setFile] = useState<File | null>(null);
  const [passphrase, setPassphrase] = useState('');
  const [where, setWhere] = useState('');
  const [isTried, setTried] = useState(false);
  const { issuer, key } = readInvitation(where);

  const make = useAction(async () => api.post<SetupResult>('/app/setup', {
    issuer,
    directoryKey: key,
    ...(from === 'seed' ? { seed: seed.trim(), accountKey: accountKey.trim() || undefined } : { backup: file && await toBase64(file), passphrase }),
  }));

  async function submit(): Promise<void> {
    setTried(true);
    const isReady = from === 'seed' ? issuer !== undefined && key !== undefined && isKey(key) && seed.trim() !== '' : file !== null && passphrase !== '';
    if (isReady && (await make.run()) !== null) {
      onDone({ how: 'restored' });
    }
  }

  return (
    <Form onSubmit={submit}>
      <Choices
        legend="What do you have?"
        layout="columns"
        value={from}
        onChange={value => { setFrom(value); setTried(false); make.reset(); }}
        choices={[
          { value: 'seed', title: 'The recovery seed', text: 'Brings back tokens you bought, with the issuer\'s help.' },
          { value: 'backup', title: 'A backup file', text: 'Brings back all, as on the day it was made.' },
        ]}
      />
      {from === 'seed' ? (
        <>
          <TextArea label="Recovery seed" isCode rows={2} value={seed} onInput={setSeed} hint="The groups that you wrote down. Capitals and hyphens don't matter."
            error={isTried && seed.trim() === '' ? 'Type the seed.' : failureOf(make.failure, 'seed-unusable')} />
          <TextField label="Account key" class="mono" value={accountKey} onInput={setAccountKey}
            hint="The other thing you wrote down. The issuer gives tokens back to the account that bought them."
            error={failureOf(make.failure, 'invalid-request')} />
          <TextArea label="Issuer's address and directory key" isCode rows={2} value={where} onInput={setWhere} hint="The invitation that you used then, or address and key beside each other."
            error={isTried && (issuer === undefined || key === undefined) ? 'Both are needed: an address, and a key of 43 or 64 letters and digits.' : failureOf(make.failure, 'directory-refused', 'issuer', 'directoryKey')} />
        </>
      ) : (
        <>
          <Field label="Backup file" error={isTried && file === null ? 'Choose the file.' : null}>
            {ids => <input {...ids} type="file" onChange={event => setFile(event.currentTarget.files?.[0] ?? null)} />}
          </Field>
          <TextField label="Its passphrase" type="password" autocomplete="current-password" value={passphrase} onInput={setPassphrase}
            error={isTried && passphrase === '' ? 'Type the passphrase.' : failureOf(make.failure, 'backup-unusable')} />
        </>
      )}
      <ConnectionHelp failure={make.failure} atFields={from === 'seed' ? ['seed-unusable', 'invalid-request', 'directory-refused', 'issuer', 'directoryKey'] : ['backup-unusable']} onRetry={submit} />
      <Connecting isWaiting={make.isBusy} />
      <div class="form-actions">
        <Act kind="primary" isBusy={make.isBusy}>{make.isBusy ? 'Bringing it back' : 'Bring it back'}</Act>
      </div>
    </Form>
  );
}
