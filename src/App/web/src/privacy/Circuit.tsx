import type { RequestTrace } from '../wire';

/** The way that a request went, hop by hop: who knows only whom. */
export function Circuit({ request }: { request: RequestTrace }) {
  const hops = request.circuit?.hops ?? [];
  const relay = request.sealing === 'ohttp' ? ['Relay'] : [];
  const way = request.carrier === 'tor' ? [...(hops.length > 0 ? hops : ['Tor']), ...relay] : relay;
  return (
    <ol class="circuit" aria-label="The way it went">
      <li class="end">You</li>
      {way.map((hop, index) => <li key={index}>{nameOf(hop)}</li>)}
      {request.onion && <li>meeting point</li>}
      <li class="end">Gateway</li>
      <li class="end">Model</li>
    </ol>
  );
}

/** Tor names a hop `$FINGERPRINT~nickname`. */
const nameOf = (hop: string): string => /~(.+)$/.exec(hop)?.[1] ?? hop.replace(/^\$/, '').slice(0, 10);
