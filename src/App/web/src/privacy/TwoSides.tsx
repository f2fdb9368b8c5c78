import { Icon, type IconName } from '../ui/icons';
import type { PrivacyView, RoleView } from '../wire';

const names: Record<RoleView['role'], { name: string; what: string; icon: IconName }> = {
  issuer: { name: 'Issuer', what: 'sold you the tokens', icon: 'wallet' },
  signer: { name: 'Signer', what: 'signed them unseen', icon: 'edit' },
  network: { name: 'Network', what: 'carried it: your provider, and whoever listens', icon: 'circuit' },
  relay: { name: 'Relay', what: 'passed a sealed packet on', icon: 'link' },
  gateway: { name: 'Gateway', what: 'took a token, passed the question on', icon: 'shield' },
  moderation: { name: 'Moderation', what: 'looked whether rules are kept', icon: 'eye' },
  provider: { name: 'Model', what: 'answered', icon: 'chat' },
};

const identitySide: readonly RoleView['role'][] = ['issuer', 'signer', 'network'];

/** The picture that all is about: who knows you on the left, who knows the question on the right, and nothing that joins them. */
export function TwoSides({ view }: { view: PrivacyView }) {
  const left = view.seen.filter(role => identitySide.includes(role.role));
  const right = view.seen.filter(role => !identitySide.includes(role.role));
  return (
    <div class="sides">
      <section class="side identity" aria-labelledby="side-identity">
        <header><h3 id="side-identity">They may know you</h3><p>and have seen none of your words</p></header>
        {left.map(role => <Role key={role.role} role={role} />)}
      </section>
      <div class="wall" role="img" aria-label="Between the two sides: no value that both have seen"><span>nothing in common</span></div>
      <section class="side anonymous" aria-labelledby="side-anonymous">
        <header><h3 id="side-anonymous">They may see your words</h3><p>and don't know whose they are</p></header>
        {right.map(role => <Role key={role.role} role={role} />)}
      </section>
    </div>
  );
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
