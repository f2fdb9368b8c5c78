import type { RequestTrace } from '../wire';

/** The way that a request went, hop by hop: each knows only its neighbours. */
export function Circuit({ request }: { request: RequestTrace }) {
  const hops = request.circuit?.hops ?? [];
  const isOnion = Boolean(request.onion);
  const relays: { name: string; note: string }[] = request.carrier !== 'tor' ? [] : hops.length === 0 ? [{ name: 'Tor', note: request.connections.at(-1)?.circuitProblem ?? 'relays not known' }]
    : hops.map((hop, index) => ({ name: nameOf(hop), note: index === 0 ? 'guard' : index === hops.length - 1 ? (isOnion ? 'meeting point' : 'exit') : 'middle' }));
  return (
    <ol class="circuit" aria-label="The way it went">
      <li class="end"><span>You</span></li>
      {relays.map((relay, index) => <li key={index}><span>{relay.name}<small>{relay.note}</small></span></li>)}
      {isOnion && <li><span>gateway's half<small>three relays more</small></span></li>}
      {request.sealing === 'ohttp' && <li><span>Relay<small>sealed</small></span></li>}
      <li class="end"><span>{request.gateway ?? 'Gateway'}</span></li>
      <li class="end"><span>{request.model ?? 'Model'}</span></li>
    </ol>
  );
}

/** Tor names a hop `$FINGERPRINT~nickname`. */
const nameOf = (hop: string): string => /~(.+)$/.exec(hop)?.[1] ?? hop.replace(/^\$/, '').slice(0, 10);
