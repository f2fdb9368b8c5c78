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
        <details key={request.message} class="request" open={index === 0}>
          <summary><span class="request-title">{titleOf(request, find)}</span><span class="hint">{[request.carrier === 'tor' ? 'over Tor' : 'directly', request.sealing !== 'none' && 'sealed', request.plan].filter(Boolean).join(' · ')}</span></summary>
          <Request request={request} />
        </details>
      ))}
    </section>
  );
}

function Request({ request }: { request: RequestTrace }) {
  return (
    <div class="request-body">
      <Circuit request={request} />
      <Stages stages={request.stages} />
      <Facts
        facts={[
          ...(request.token ? [{ name: 'Token', value: request.token, isCode: true }] : []),
          ...(request.keyId ? [{ name: 'Signed by key', value: brief(request.keyId, 16), isCode: true }] : []),
          { name: 'Plan', value: request.deadline ? `${request.plan}, until ${utcDay(request.deadline)}` : request.plan },
          ...(request.onion ? [{ name: 'Onion address', value: request.onion, isCode: true }] : [{ name: 'Address', value: request.address, isCode: true }]),
          { name: 'Sent, received', value: `${formatBytes(request.requestBytes)}, ${formatBytes(request.replyBytes)}` },
        ]}
      />
      {request.token && <Crowd size={request.crowd} minimum={settings.value?.minCrowd ?? 64} />}
    </div>
  );
}

function titleOf(request: RequestTrace, find: Find): string {
  const answer = find(request.message);
  const question = answer?.parent ? find(answer.parent) : answer;
  return question?.text.trim().replace(/\s+/g, ' ').slice(0, 80) || 'A question';
}
