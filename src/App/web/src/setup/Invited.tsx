import { useState } from 'preact/hooks';
import { api } from '../api';
import { failureOf, useAction } from '../ui/action';
import { TextField } from '../ui/controls';
import { Act, Explain, Form, TextArea } from '../ui/form';
import { Icon } from '../ui/icons';
import { brief } from '../ui/words';
import type { SetupResult, SetupTrial } from '../wire';
import { Connecting } from './Connecting';
import { ConnectionHelp } from './ConnectionHelp';
import { Found } from './Found';
import { isKey, readInvitation, toAddress } from './invitation';
import { setToNote } from './noted';
import type { Made } from './SetupPage';

export const keyForm = 'A directory key has 43 letters, digits, - and _, or 64 digits from 0 to f.';

/** A wallet with an issuer: from an invitation, or from address and key. */
export function Invited({ onDone }: { onDone: (made: Made) => void }) {
  const [text, setText] = useState('');
  const [isByHand, setByHand] = useState(false);
  const [address, setAddress] = useState('');
  const [key, setKey] = useState('');
  const [isTried, setTried] = useState(false);
  const read = readInvitation(text);
  const issuer = isByHand ? toAddress(address) : (read.issuer ?? null);
  const directoryKey = isByHand ? key.trim() : (read.key ?? '');

  const look = useAction(() => api.post<SetupTrial>('/app/setup/try', { issuer, directoryKey }));
  const make = useAction(() => api.post<SetupResult>('/app/setup', { issuer, directoryKey }));

  async function create(): Promise<void> {
    const made = await make.run();
    if (made !== null) {
      setToNote(true);
      onDone({ how: 'new', seed: made.seed, accountKey: made.accountKey, voucher: isByHand ? undefined : read.voucher });
    }
  }

  if (look.result !== null && !look.isBusy && look.failure === null) {
    return <Found trial={look.result} issuer={issuer ?? ''} directoryKey={directoryKey} isBusy={make.isBusy} failure={make.failure} onBack={look.reset} onGo={create} />;
  }

  function submit(): void {
    setTried(true);
    if (issuer !== null && isKey(directoryKey)) {
      void look.run();
    }
  }

  return (
    <Form onSubmit={submit}>
      {isByHand ? (
        <>
          <TextField
            label="Issuer's address"
            class="mono"
            value={address}
            onInput={setAddress}
            placeholder="https://issuer.example"
            hint="The service that sells tokens. An address that ends in .onion is reached over Tor only."
            error={isTried && issuer === null ? 'This is no web address.' : failureOf(look.failure, 'issuer')}
          />
          <TextField
            label="Its directory key"
            class="mono"
            value={key}
            onInput={setKey}
            hint="Published by whoever runs the service. With it, your wallet makes sure that it talks to the real one and is shown the same as everybody else."
            error={isTried && !isKey(key) ? keyForm : failureOf(look.failure, 'directory-refused', 'directoryKey')}
          />
        </>
      ) : (
        <>
          <TextArea
            label="Your invitation"
            isCode
            value={text}
            onInput={setText}
            placeholder="tacit:?issuer=https://issuer.example&key=…"
            hint="Paste the link, the text of the QR code, or the whole message. It is read on this computer."
            error={isTried && (issuer === null || !isKey(directoryKey)) ? missingOf(issuer, directoryKey) : null}
          />
          {issuer !== null && (
            <ul class="ticks" aria-label="Found in it">
              <li><Icon name="check" size={16} /> issuer <code>{issuer}</code></li>
              {directoryKey !== '' && <li><Icon name="check" size={16} /> its key <code>{brief(directoryKey, 16)}</code></li>}
              {read.voucher && <li><Icon name="check" size={16} /> a voucher, for the last step</li>}
            </ul>
          )}
        </>
      )}
      <ConnectionHelp failure={look.failure} atFields={isByHand ? ['directory-refused', 'directoryKey', 'issuer'] : []} onRetry={look.run} />
      <Connecting isWaiting={look.isBusy} />
      <div class="form-actions">
        <Act kind="primary" isBusy={look.isBusy}>{look.isBusy ? 'Asking the issuer' : 'Continue'}</Act>
        <Act kind="quiet" onPress={() => { setByHand(!isByHand); setTried(false); look.reset(); }}>{isByHand ? 'Paste an invitation' : 'Type address and key'}</Act>
      </div>
      <Explain term="I have no invitation. Where do I get one?">
        <p>From whoever offers the service: a company, an association, a friend with a server. Whom you choose matters less than usual, because the issuer never learns what you ask.</p>
        <p>To try everything on this computer alone, close this and run <code>tacit demo</code> in a terminal.</p>
      </Explain>
    </Form>
  );
}

function missingOf(issuer: string | null, key: string): string {
  if (issuer === null) {
    return key === '' ? 'There is no address in it. Paste all of what you were sent.' : 'There is a key in it, but no address.';
  }
  return 'There is an address in it, but no key. Ask whoever invited you for the directory key.';
}
