import { carrier } from '../store';
import { Progress } from '../ui/form';

/** How far Tor is, while something waits for it. */
export function Connecting({ isWaiting }: { isWaiting: boolean }) {
  const tor = carrier.value;
  if (!isWaiting) {
    return null;
  }
  return tor !== null && tor.carrier === 'tor' && tor.state !== 'ready'
    ? <Progress label={`Tor is finding its way${tor.summary ? `: ${tor.summary}` : ''}. The first time takes up to a minute.`} value={tor.percent} />
    : <Progress label="Waiting for an answer" />;
}
