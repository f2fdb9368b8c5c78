import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { OpenConversation } from './conversations';

const longest = 400;

/** What a screen reader is told by itself: that an answer begins, and the answer once it is there; not each token. */
export function Announcer({ one }: { one: OpenConversation }) {
  const said = useSignal('');
  const before = useRef<{ id: string; state: string } | null>(null);
  const last = one.path.value.at(-1);
  const message = last === undefined ? undefined : one.tree.get(last)?.value;
  useEffect(() => {
    if (message === undefined || message.role !== 'assistant') {
      before.current = null;
      return;
    }
    const known = before.current;
    before.current = { id: message.id, state: message.state };
    if (message.state === 'generating' && known?.id !== message.id) {
      said.value = 'The answer is on its way.';
    } else if (known?.id === message.id && known.state === 'generating' && message.state !== 'generating') {
      said.value = message.state === 'done'
        ? `Answer: ${message.text.slice(0, longest)}${message.text.length > longest ? ' … The rest is in the chat.' : ''}`
        : message.state === 'stopped' ? 'The answer was stopped.' : '';
    }
  }, [message?.id, message?.state]);
  return <div class="visually-hidden" role="status" aria-live="polite">{said.value}</div>;
}
