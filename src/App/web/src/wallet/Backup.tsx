import { useState } from 'preact/hooks';
import { api, call, save } from '../api';
import { failureOf, useAction } from '../ui/action';
import { TextField } from '../ui/controls';
import { Act, Form, FormFailure, Progress, Success } from '../ui/form';
import { tokens } from '../ui/words';
import type { WalletView } from '../wire';
import { Secret } from './Secret';

const shortest = 12;

export function Backup({ view }: { view: WalletView }) {
  return (
    <div class="columns">
      <div class="form reveals">
        {view.recoverable && <Reveal what="seed" title="Recovery seed" text="Brings back this wallet and its tokens. Whoever has it can spend them and, with the operators' records, link your questions to your account." />}
        {view.hasAccount && <Reveal what="account" title="Account key" text="Opens your account with its credits. Whoever has it can spend them." />}
        {view.recoverable && <RestoreLost />}
      </div>
      <BackupFile />
    </div>
  );
}

function Reveal({ what, title, text }: { what: 'seed' | 'account'; title: string; text: string }) {
  const [secret, setSecret] = useState<string | null>(null);
  const reveal = useAction(() => api.post<{ secret: string }>('/app/wallet/reveal', { what }));

  async function show(): Promise<void> {
    const shown = await reveal.run();
    if (shown !== null) {
      reveal.reset();
      setSecret(shown.secret);
    }
  }

  if (secret !== null) {
    return (
      <div>
        <Secret title={title} text="Is anybody looking over your shoulder?" value={secret} />
        <Act onPress={() => setSecret(null)} label={`Hide the ${title.toLowerCase()}`}>Hide</Act>
      </div>
    );
  }
  return (
    <div class="row">
      <div><h3>{title}</h3><p class="hint">{text}</p><FormFailure failure={reveal.failure} /></div>
      <Act isBusy={reveal.isBusy} onPress={show} label={`Show the ${title.toLowerCase()}`}>Show</Act>
    </div>
  );
}

function RestoreLost() {
  const restore = useAction(() => api.post<{ restored: number }>('/app/wallet/restore-tokens'));
  return (
    <div class="row">
      <div>
        <h3>Lost tokens</h3>
        <p class="hint">The issuer signs again what this seed had signed before, and sees that you ask for it.</p>
        <FormFailure failure={restore.failure} />
        {restore.result !== null && !restore.isBusy && <Success>{restore.result.restored > 0 ? `${tokens(restore.result.restored)} came back.` : 'Nothing was missing.'}</Success>}
      </div>
      <Act isBusy={restore.isBusy} onPress={restore.run} label="Bring lost tokens back">Bring back</Act>
    </div>
  );
}

function BackupFile() {
  const [passphrase, setPassphrase] = useState('');
  const [again, setAgain] = useState('');
  const [isTried, setTried] = useState(false);
  const backup = useAction(async () => {
    const response = await call('POST', '/app/wallet/backup', { passphrase });
    save(`tacit-wallet-${new Date().toISOString().slice(0, 10)}.backup`, await response.blob());
    return true;
  });
  const isShort = passphrase.trim().length < shortest;

  async function submit(): Promise<void> {
    setTried(true);
    if (!isShort && passphrase === again && await backup.run()) {
      setPassphrase('');
      setAgain('');
      setTried(false);
    }
  }

  return (
    <Form onSubmit={submit}>
      <div><h3>Backup file</h3><p class="hint">All of the wallet, subscriptions too, encrypted under a passphrase. Save a new one after buying.</p></div>
      <TextField label="Passphrase" type="password" autocomplete="new-password" value={passphrase} onInput={setPassphrase} hint={`At least ${shortest} characters. Five words that don't belong together are good.`}
        error={isTried && isShort ? `It needs at least ${shortest} characters.` : failureOf(backup.failure, 'invalid-setting')} />
      <TextField label="The passphrase again" type="password" autocomplete="new-password" value={again} onInput={setAgain} error={isTried && !isShort && passphrase !== again ? 'The two differ.' : null} />
      <FormFailure failure={backup.failure} atFields={['invalid-setting']} />
      {backup.isBusy && <Progress label="Encrypting: slow on purpose, so that guessing is slow too" />}
      <div class="form-actions"><Act isBusy={backup.isBusy}>Save a backup file</Act></div>
      {backup.result && !backup.isBusy && !backup.failure && <Success>Saved. Keep it on another disk, and the passphrase elsewhere.</Success>}
    </Form>
  );
}
