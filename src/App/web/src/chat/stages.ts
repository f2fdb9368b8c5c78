import type { Stage } from '../wire';

/** What is going on right now, from the last stage that was told; what each is called once it is past is in privacy/Stages. */
const now: Record<Stage['name'], string> = {
  preparing: 'Getting ready', carrier: 'Choosing the way', paying: 'Looking for a token', token: 'Token taken', connecting: 'Connecting', connected: 'Connected', sent: 'Sent, waiting for the gateway',
  accepted: 'Token accepted, waiting for the model', 'first-token': 'Answering', resumed: 'Answering again after a break', ended: 'Finishing', renewed: 'Finishing', returned: 'The token was not spent',
  cancelled: 'Stopping', failed: 'Failed',
};

export const stageNow = (stage: Stage): string => now[stage.name] ?? stage.name;
