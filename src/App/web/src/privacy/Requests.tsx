import { formatBytes } from '../format';
import { settings } from '../store';
import { Facts } from '../ui/form';
import { brief, plural, utcDay } from '../ui/words';
import { Crowd } from '../wallet/Crowd';
import type { Message, PrivacyView, RequestTrace } from '../wire';
import { Circuit } from './Circuit';
import { Stages } from './Stages';

type Find = (id: string) => Message | undefined;

/** Each request of the conversation, the newest first: its token, its way, its times. */
export function Requests({ view, find }: { view: PrivacyView; find: Find }) {
  const requests = [...view.requests].reverse();
  return (
    <section class="requests" aria-labelledby="privacy-requests">
      <h3 id="privacy-requests">{plural(requests.length, 'question')} asked</h3>
      {requests.map((request, index) => (
        <details key={requests.length - index} class="request" open={index === 0}>
          <summary><span class="request-title">{titleOf(request, find)}</span><span class="hint">{wayOf(request)}</span></summary>
          <Request request={request} />
        </details>
      ))}
    </section>
  );
}

function Request({ request }: { request: RequestTrace }) {
  const facts: { name: string; value: string; isCode?: boolean }[] = [];
  const add = (name: string, value: string | null | undefined, isCode = false) => {
    if (value) {
      facts.push({ name, value, isCode });
    }
  };
  add('Token', request.token, true);
  add('It came', request.boughtForIt ? 'bought because this question needed it' : request.tokenOrigin && (origins[request.tokenOrigin] ?? request.tokenOrigin));
  add('Tried before', request.earlierTokens.join(', '), true);
  add('Signed by key', request.keyId && brief(request.keyId, 16), true);
  add('Plan', request.plan && (request.deadline ? `${request.plan}, until ${utcDay(request.deadline)}` : request.plan));
  add('Device', request.device, true);
  add(request.onion ? 'Onion address' : 'Address', request.onion ?? request.address, true);
  add('Connection', connectionOf(request));
  add('Sent', size(request.requestBytes, request.sealedRequestBytes) + (request.members.length > 0 ? `: ${request.members.join(', ')}` : ''));
  add('Received', size(request.replyBytes, request.sealedReplyBytes));
  return (
    <div class="request-body">
      <Circuit request={request} />
      <Stages stages={request.stages} />
      <Facts facts={facts} />
      {request.token && <Crowd size={request.crowd} minimum={settings.value?.minCrowd ?? 64} />}
    </div>
  );
}

const origins: Record<string, string> = { bought: 'bought ahead', exchanged: 'exchanged for one that was shown before', subscription: 'from a subscription' };

const size = (plain: number, sealed: number): string => (sealed > 0 ? `${formatBytes(plain)}, sealed in ${formatBytes(sealed)}` : formatBytes(plain));

function connectionOf({ connections, thisMachine }: RequestTrace): string | null {
  const last = connections.at(-1);
  if (last === undefined) {
    return null;
  }
  const words = [thisMachine ? 'to this very computer' : '', last.new ? 'made for this question' : 'shared with this chat only'];
  if (connections.length > 1) {
    words.push(`taken up again ${plural(connections.length - 1, 'time')}`);
  }
  return words.filter(word => word !== '').join(', ');
}

const wayOf = (request: RequestTrace): string => [
  request.carrier === 'tor' ? 'over Tor' : request.thisMachine ? 'on this computer' : request.carrier === 'direct' ? 'directly' : '', request.sealing === 'none' ? '' : 'sealed', request.plan ?? '',
].filter(word => word !== '').join(' · ');

function titleOf(request: RequestTrace, find: Find): string {
  const answer = find(request.message);
  const question = answer?.parent ? find(answer.parent) : answer;
  return question?.text.trim().replace(/\s+/g, ' ').slice(0, 80) || 'A question';
}
