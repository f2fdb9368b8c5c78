import { formatMilliseconds } from '../format';
import type { Stage } from '../wire';

const words: Record<string, string> = {
  preparing: 'Getting ready', token: 'Taking a token', carrier: 'Waiting for Tor', connecting: 'Connecting', sent: 'Sent', accepted: 'Token accepted', 'first-token': 'First word', ended: 'Last word', renewed: 'Next token signed',
};

/** What happened when, on a line of time. */
export function Stages({ stages }: { stages: readonly Stage[] }) {
  if (stages.length === 0) {
    return null;
  }
  const whole = Math.max(1, ...stages.map(stage => stage.at));
  return (
    <ol class="stages" aria-label="What happened when">
      {stages.map((stage, index) => {
        const next = stages[index + 1]?.at ?? whole;
        return (
          <li key={`${stage.name} ${stage.at}`}>
            <span class="stage-name">{words[stage.name] ?? stage.name}{stage.detail && <small> {stage.detail}</small>}</span>
            <svg class="stage-bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
              <rect class="track" width="100" height="6" />
              <rect class="bar" x={Math.min(99, (stage.at / whole) * 100)} width={Math.max(1, ((next - stage.at) / whole) * 100)} height="6" />
            </svg>
            <span class="stage-at">{formatMilliseconds(stage.at)}</span>
          </li>
        );
      })}
    </ol>
  );
}
