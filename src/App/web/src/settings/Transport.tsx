import { useEffect, useState } from 'preact/hooks';
import { api } from '../api';
import { mode, settings } from '../store';
import { failureOf, useAction } from '../ui/action';
import { Callout, Switch, TextField } from '../ui/controls';
import { Act, type Choice, Choices, Explain, Facts, Form, FormFailure, Success, TextArea } from '../ui/form';
import { toAddress } from '../setup/invitation';
import type { Settings } from '../wire';
import { WayTable } from './WayTable';

type Transport = 'default' | 'tor' | 'tor+sealed' | 'tor+ohttp' | 'direct' | 'sealed' | 'ohttp';

const usual: readonly Choice<Transport>[] = [
  { value: 'default', title: 'Over Tor, directly on this computer', badge: 'recommended', text: 'The issuer and the gateway don\'t see where you are. What runs on this very computer is asked directly.' },
  { value: 'tor+sealed', title: 'Over Tor, sealed to the gateway', text: 'In addition nobody between Tor and the gateway\'s program, such as its hoster, can read along.' },
  { value: 'tor+ohttp', title: 'Over Tor and a relay', text: 'In addition a relay stands between, run by somebody else than the gateway.' },
  { value: 'direct', title: 'Directly', text: 'Quick. Issuer and gateway see your network address: with it they could guess who asked.' },
];

const others: readonly Choice<Transport>[] = [
  { value: 'tor', title: 'Over Tor, always', text: 'For addresses on this computer as well.' },
  { value: 'sealed', title: 'Directly, sealed to the gateway', text: 'Quick. The gateway sees your network address; nobody on the way reads along.' },
  { value: 'ohttp', title: 'Through a relay, without Tor', text: 'Quick. The relay sees your address and nothing else, the gateway sees the question and not your address. The issuer sees your address.' },
];

/** How what leaves this computer leaves it. */
export function Transport({ now }: { now: Settings }) {
  const [way, setWay] = useState<Transport>((now.transport as Transport | null | undefined) ?? 'default');
  const [relay, setRelay] = useState(now.relay ?? '');
  const [exits, setExits] = useState(now.torExits);
  const [socks, setSocks] = useState(now.torSocks ?? '');
  const [bridges, setBridges] = useState(now.bridges.join('\n'));
  const [isTried, setTried] = useState(false);
  const [isAll, setAll] = useState(false);
  useEffect(load, [now]);

  function load(): void {
    setWay((now.transport as Transport | null | undefined) ?? 'default');
    setRelay(now.relay ?? '');
    setExits(now.torExits);
    setSocks(now.torSocks ?? '');
    setBridges(now.bridges.join('\n'));
    setTried(false);
  }

  const usesTor = way === 'default' || way.startsWith('tor');
  const usesRelay = way.endsWith('ohttp');
  const wanted = {
    transport: way === 'default' ? null : way, relay: relay.trim() === '' ? null : relay.trim(), torExits: exits, torSocks: socks.trim() === '' ? null : socks.trim(), bridges: lines(bridges),
  };
  const isChanged = JSON.stringify(wanted) !== JSON.stringify({
    transport: now.transport ?? null, relay: now.relay ?? null, torExits: now.torExits, torSocks: now.torSocks ?? null, bridges: now.bridges,
  });
  const keep = useAction(async () => {
    const kept = await api.put<Settings | undefined>('/app/settings', wanted);
    if (kept) {
      settings.value = kept;
    }
    return true;
  });
  const relayError = isTried && usesRelay && toAddress(relay) === null ? 'A relay is needed: its web address.' : failureOf(keep.failure, 'relay');

  function submit(): void {
    setTried(true);
    if (!usesRelay || toAddress(relay) !== null) {
      void keep.run();
    }
  }

  // A device is known to its gateway by its key, so that a relay would hide nothing.
  const open = isAll || others.some(choice => choice.value === way) ? [...usual, ...others] : usual;
  const choices = mode.value === 'device' ? open.filter(choice => !choice.value.endsWith('ohttp')) : open;
  return (
    <Form onSubmit={submit}>
      <Choices legend="How questions travel" hideLegend value={way} onChange={value => { setWay(value); keep.reset(); }} choices={choices} />
      {open === usual && <Act kind="quiet" onPress={() => setAll(true)}>More ways</Act>}
      {usesRelay && <TextField label="Relay" class="mono" value={relay} onInput={setRelay} placeholder="https://relay.example" error={relayError} hint="Better run by somebody else than the gateway: together they would know what each hides." />}
      {usesTor && (
        <Explain term="Tor: bridges and more">
          <div class="form">
            <Switch label="Reach servers outside Tor" checked={exits} onChange={setExits} hint="Servers without an onion address are then reached through Tor's exits, whose operators see which server is asked." />
            <TextArea label="Bridges" isCode rows={3} value={bridges} onInput={setBridges} placeholder="obfs4 192.0.2.7:443 …" hint="Where Tor is blocked: one bridge line on each line, as bridges.torproject.org gives them." error={failureOf(keep.failure, 'bridges')} />
            <p class="hint">The programs that obfs4, snowflake and webtunnel bridges need are found where they are installed. Others are named in the settings file (<code>Tor:Plugins</code>), never here: what runs on this computer is not for a web page to say.</p>
            {now.plugins.length > 0 && <Facts facts={now.plugins.map((plugin, index) => ({ name: index === 0 ? 'Named there' : `Named there, ${index + 1}`, value: plugin, isCode: true }))} />}
            <TextField label="A Tor of your own" class="mono" value={socks} onInput={setSocks} placeholder="127.0.0.1:9150" hint="The SOCKS port of a Tor that runs already, such as Tor Browser's. Bridges are then set there." error={failureOf(keep.failure, 'torSocks')} />
          </div>
        </Explain>
      )}
      <WayTable way={way} />
      {!usesTor && way !== 'ohttp' && <Callout kind="warning">Without Tor, issuer and gateway both see your network address. Whoever runs both, or gets at the records of both, can compare them.</Callout>}
      <FormFailure failure={keep.failure} atFields={['relay', 'bridges', 'torSocks']} />
      {isChanged && (
        <div class="form-actions">
          <Act kind="primary" isBusy={keep.isBusy}>Use this way</Act>
          <Act kind="quiet" onPress={() => { load(); keep.reset(); }}>Undo</Act>
          <span class="hint">Answers under way go to their end as they began.</span>
        </div>
      )}
      {!isChanged && keep.result && !keep.failure && <Success>From now on this way is used.</Success>}
    </Form>
  );
}

const lines = (text: string): string[] => text.split('\n').map(line => line.trim()).filter(line => line !== '');
