import { api } from '../api';
import { useAction } from '../ui/action';
import { Badge, Callout } from '../ui/controls';
import { Act, Explain, FormFailure, Progress, Success } from '../ui/form';
import { brief } from '../ui/words';
import { formatTime } from '../format';
import type { CarrierView, CircuitsView, ServerView } from '../wire';

const states = { unneeded: 'not needed', idle: 'not started yet', starting: 'connecting', ready: 'ready', stuck: 'stuck', failed: 'not running' } as const;

/** How connections are made, whether they can be, and to whom. */
export function TorStatus({ view }: { view: CarrierView }) {
  const identity = useAction(() => api.post<{ toldTor: boolean }>('/app/carrier/new-identity'));
  const isTor = view.carrier === 'tor';
  return (
    <>
      <div class="row between">
        <p class="row">
          <Badge kind={view.state === 'ready' ? 'good' : view.state === 'stuck' || view.state === 'failed' ? 'bad' : 'plain'}>{states[view.state] ?? view.state}</Badge>
          <span class="hint">{isTor ? [view.version && `Tor ${view.version}`, view.source].filter(Boolean).join(', ') : 'Connections are made without Tor.'}</span>
        </p>
        {isTor && view.state === 'ready' && <Act isBusy={identity.isBusy} onPress={identity.run}>New identity</Act>}
      </div>
      {view.state === 'starting' && <Progress label={view.summary ?? 'Finding the way into the Tor network'} value={view.percent} />}
      {view.state === 'idle' && <p class="hint">It starts as soon as something has to leave this computer.</p>}
      {view.problem && <Callout kind={view.state === 'starting' ? 'warning' : 'error'}>{view.problem}</Callout>}
      {identity.result !== null && !identity.failure && <Success>Every chat goes on by other ways from now on{identity.result?.toldTor === false ? '. The Tor that you run yourself was not told' : ''}.</Success>}
      <FormFailure failure={identity.failure} />
      {isTor && view.state === 'ready' && <Circuits />}
      {view.servers.length > 0 && (
        <ul class="servers">{view.servers.map(server => <Server key={server.role + server.address} server={server} />)}</ul>
      )}
    </>
  );
}

/** The circuits that are open for this app, each for one chat or one call; asked for when somebody looks. */
function Circuits() {
  const list = useAction(() => api.get<CircuitsView>('/app/carrier/circuits'));
  const circuits = list.result?.circuits ?? [];
  return (
    <Explain term="Open circuits" onToggle={isOpen => { if (isOpen) { void list.run(); } }}>
      <FormFailure failure={list.failure} />
      {list.result !== null && circuits.length === 0 && <p class="hint">None right now, or this Tor is another program's.</p>}
      <ul class="circuits">
        {circuits.map((circuit, index) => (
          <li key={index}>
            <ol class="circuit" aria-label={circuit.built ? 'Circuit' : 'Circuit that is being built'}>
              {circuit.hops.map((hop, place) => <li key={place}><span>{hop}</span></li>)}
              {circuit.onion && <li class="end"><span>{brief(circuit.onion, 14)}</span></li>}
            </ol>
          </li>
        ))}
      </ul>
      <div class="form-actions"><Act kind="quiet" isBusy={list.isBusy} onPress={list.run}>Look again</Act></div>
    </Explain>
  );
}

const roles: Record<string, string> = { issuer: 'Issuer', gateway: 'Gateway', relay: 'Relay' };

function Server({ server }: { server: ServerView }) {
  return (
    <li>
      <div class="row between">
        <h3>{roles[server.role] ?? server.role}{server.name ? ` ${server.name}` : ''}</h3>
        <Badge kind={server.problem ? 'bad' : server.lastAnswered ? 'good' : 'plain'}>{server.problem ? 'does not answer' : server.lastAnswered ? 'answers' : 'not asked yet'}</Badge>
      </div>
      <p class="mono">{server.address}</p>
      <p class="hint">{[server.carried && `reached ${carriedWords[server.carried] ?? server.carried}`, server.lastAnswered && `last answered ${formatTime(server.lastAnswered)}`].filter(Boolean).join(' · ')}</p>
      {server.problem && <p class="hint error">{server.problem}</p>}
    </li>
  );
}

const carriedWords: Record<string, string> = {
  direct: 'directly', sealed: 'directly, sealed', ohttp: 'through a relay, sealed', tor: 'over Tor', 'tor+sealed': 'over Tor, sealed', 'tor+ohttp': 'over Tor and a relay, sealed',
};
