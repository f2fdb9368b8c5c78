import type { Stage } from '../wire';

// Each by the name that the app gives it; one that is not here is shown by its name.
const words: Record<string, [now: string, past: string]> = {
  preparing: ['Getting ready', 'Got ready'],
  carrier: ['Choosing the way', 'Way chosen'],
  paying: ['Looking for a token', 'Looked for a token'],
  token: ['Token taken', 'Token taken'],
  connecting: ['Connecting', 'Connection begun'],
  connected: ['Connected', 'Connected'],
  sent: ['Sent, waiting for the gateway', 'Question sent'],
  accepted: ['Accepted, waiting for the model', 'Gateway accepted the token'],
  'first-token': ['Answering', 'First words came'],
  resumed: ['Answering again after a break', 'Connection broke and was taken up again'],
  ended: ['Finishing', 'Answer complete'],
  renewed: ['Next token of the subscription came', 'Next token of the subscription came'],
  returned: ['Token not spent', 'Token not spent: it pays for another question'],
  cancelled: ['Stopped', 'Stopped'],
  failed: ['Failed', 'Failed'],
};

const kebab = (name: string): string => name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`).replace(/^-/, '');

export const stageNow = (stage: Stage): string => words[kebab(stage.name)]?.[0] ?? stage.name;
export const stagePast = (stage: Stage): string => words[kebab(stage.name)]?.[1] ?? stage.name;
export const isFirstWords = (stage: Stage): boolean => kebab(stage.name) === 'first-token';
