import { formatMilliseconds } from '../format';
import type { Stage } from '../wire';

/** What each step is called where it is told to people. */
export const stageWords: Record<Stage['name'], string> = {
  preparing: 'Getting ready', carrier: 'Way there chosen', paying: 'Getting a token', token: 'Token taken', connecting: 'Connecting', connected: 'Connected', sent: 'Question sent', accepted: 'Token accepted',
  'first-token': 'First word', resumed: 'Taken up again', ended: 'Last word', renewed: 'Next token signed', returned: 'Token came back', cancelled: 'Stopped', failed: 'Failed',
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
            <span class="stage-name">{stageWords[stage.name] ?? stage.name}{stage.detail && <small> {stage.detail}</small>}</span>
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
