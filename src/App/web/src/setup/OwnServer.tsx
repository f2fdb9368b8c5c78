import { useState } from 'preact/hooks';
import { api } from '../api';
import { failureOf, useAction } from '../ui/action';
import { Callout, TextField } from '../ui/controls';
import { Act, Explain, Form, FormFailure } from '../ui/form';
import type { SetupResult } from '../wire';
import { Connecting } from './Connecting';
import { isKey, readInvitation, toAddress } from './invitation';
import { keyForm } from './Invited';
import type { Made } from './SetupPage';

/** A gateway that knows this device: no issuer, no tokens. */
export function OwnServer({ onDone }: { onDone: (made: Made) => void }) {
  const [address, setAddress] = useState('');
  const [key, setKey] = useState('');
  const [pin, setPin] = useState('');
  const [isTried, setTried] = useState(false);
  const read = readInvitation(address);
  const gateway = read.gateway ?? toAddress(address);
  const gatewayKey = key.trim() || (read.gateway && read.key) || '';

  const make = useAction(() => api.post<SetupResult>('/app/setup', { gateway, gatewayKey, gatewayPin: pin.trim() || read.pin }));

  async function submit(): Promise<void> {
    setTried(true);
    if (gateway !== null && isKey(gatewayKey)) {
      const made = await make.run();
      if (made !== null) {
        onDone({ how: 'device', device: made.device });
      }
    }
  }

  return (
    <Form onSubmit={submit}>
      <Callout>
        The server knows this device by a key, so it can tell that your questions come from one device. Nobody else can: they are sealed so that only that server opens them.
      </Callout>
      <TextField label="Server's address" class="mono" value={address} onInput={setAddress} placeholder="https://home.example:8226" error={isTried && gateway === null ? 'This is no web address.' : failureOf(make.failure, 'gateway', 'gatewayUrl')} />
      <TextField label="Its key" class="mono" value={gatewayKey} onInput={setKey} hint={<>On the server, <code>tacit gateway keys</code> shows it. Your questions are sealed with it.</>} error={isTried && !isKey(gatewayKey) ? keyForm : failureOf(make.failure, 'gatewayKey')} />
      <Explain term="The server's certificate is its own">
        <TextField label="Fingerprint of its certificate" class="mono" value={pin} onInput={setPin} hint="SHA-256 of its public key. Leave it empty where the certificate is one that browsers accept." error={failureOf(make.failure, 'gatewayPin')} />
      </Explain>
      <FormFailure failure={make.failure} atFields={['gateway', 'gatewayUrl', 'gatewayKey', 'gatewayPin']} />
      <Connecting isWaiting={make.isBusy} />
      <div class="form-actions">
        <Act kind="primary" isBusy={make.isBusy}>Make a key for this device</Act>
      </div>
    </Form>
  );
}
