import { formatNumber } from '../format';
import { Icon, type IconName } from '../ui/icons';
import type { PrivacyView, RequestTrace, RoleView } from '../wire';

const names: Record<RoleView['role'], { name: string; what: string; icon: IconName }> = {
  issuer: { name: 'Issuer', what: 'sold you the tokens', icon: 'wallet' },
  signer: { name: 'Signer', what: 'signed them unseen', icon: 'edit' },
  network: { name: 'Network', what: 'carried it: your provider, and whoever listens', icon: 'circuit' },
  relay: { name: 'Relay', what: 'passed a sealed packet on', icon: 'link' },
  gateway: { name: 'Gateway', what: 'took a token, passed the question on', icon: 'shield' },
  moderation: { name: 'Moderation', what: 'looked whether rules are kept', icon: 'eye' },
  provider: { name: 'Model', what: 'answered', icon: 'chat' },
};

const identitySide: readonly RoleView['role'][] = ['issuer', 'signer', 'network', 'relay'];

/** The picture that all is about: who may know you on the left, who may read you on the right, and what could still join the two. */
export function TwoSides({ view, minCrowd }: { view: PrivacyView; minCrowd: number }) {
  const left = view.seen.filter(role => identitySide.includes(role.role));
  const right = view.seen.filter(role => !identitySide.includes(role.role));
  const joins = findJoins(view.requests, minCrowd);
  return (
    <>
      <div class="sides">
        <section class="side identity" aria-labelledby="side-identity">
          <header><h3 id="side-identity">They may know you</h3><p>and see none of your words</p></header>
          {left.map(role => <Role key={role.role} role={role} />)}
        </section>
        <div class="wall"><span>{joins.length === 0 ? 'nothing in common' : 'nothing in common but what is told below'}</span></div>
        <section class="side anonymous" aria-labelledby="side-anonymous">
          <header><h3 id="side-anonymous">They may see your words</h3><p>and are not told whose they are</p></header>
          {right.map(role => <Role key={role.role} role={role} />)}
        </section>
      </div>
      {joins.length > 0 && (
        <section class="joins" aria-labelledby="privacy-joins">
          <h3 id="privacy-joins">What could still join the two sides</h3>
          <ul>{joins.map(join => <li key={join}>{join}</li>)}</ul>
        </section>
      )}
    </>
  );
}

/** What the values of these requests give away, in plain words. */
export function findJoins(requests: readonly RequestTrace[], minCrowd: number): string[] {
  const joins: string[] = [];
  if (requests.some(request => request.device)) {
    joins.push('This device: your server knows it by its key, and so can link everything it asks.');
  }
  if (requests.some(request => request.linkable && !request.device)) {
    joins.push('A pseudonym: with it the gateway can link your questions to each other. It does not say whose they are.');
  }
  if (requests.some(request => request.carrier === 'direct' && !request.thisMachine && request.sealing !== 'ohttp')) {
    joins.push('Your network address: the gateway saw it, and so does the issuer when you buy. Over Tor neither does.');
  }
  if (requests.some(request => request.boughtForIt)) {
    joins.push('The moment: a token was bought because a question needed it, so the purchase and the question stand side by side in time.');
  }
  const crowds = requests.flatMap(request => (typeof request.crowd === 'number' ? [request.crowd] : []));
  if (crowds.length > 0 && Math.min(...crowds) < minCrowd) {
    joins.push(Math.min(...crowds) <= 1 ? 'The crowd: nobody else held this plan, so its tokens can only be yours.' : `The crowd: ${formatNumber(Math.min(...crowds))} people or a few more held this plan, which leaves few to guess among.`);
  }
  return joins;
}

function Role({ role }: { role: RoleView }) {
  const { name, what, icon } = names[role.role];
  return (
    <article class="role" aria-label={name}>
      <h4><Icon name={icon} /> {name} <small>{what}</small></h4>
      {role.saw.length > 0 && (
        <dl class="saw">
          {role.saw.map((entry, index) => <div key={index}><dt>{entry.what}</dt><dd>{entry.value}</dd></div>)}
        </dl>
      )}
      {role.saw.length === 0 && <p class="hint">saw nothing</p>}
      {role.neverSaw.length > 0 && <p class="never"><strong>Never saw</strong> {role.neverSaw.join(', ')}</p>}
    </article>
  );
}
