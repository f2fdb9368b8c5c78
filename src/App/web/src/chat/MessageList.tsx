import { useSignal } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { IconButton } from '../ui/controls';
import { useDerived } from '../ui/derived';
import { isGenerating } from './actions';
import { Announcer } from './Announcer';
import type { OpenConversation } from './conversations';
import { MessageView } from './MessageView';

const near = 10;

/** @param toEnd Gets what scrolls to the end. */
export function MessageList({ one, toEnd }: { one: OpenConversation; toEnd: { current: (() => void) | null } }) {
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const isAtEnd = useSignal(true);
  const path = one.path.value;

  useLayoutEffect(() => {
    const box = scroller.current!;
    let follows = true;
    let lastTop = 0;
    const end = () => {
      follows = true;
      box.scrollTop = box.scrollHeight;
    };
    // Only a person scrolls up: growing and shrinking content leaves it at the end.
    const onScroll = () => {
      const distance = box.scrollHeight - box.scrollTop - box.clientHeight;
      if (distance < 48) {
        follows = true;
      } else if (box.scrollTop < lastTop - 1) {
        follows = false;
      }
      lastTop = box.scrollTop;
      isAtEnd.value = follows || distance < 160;
    };
    const observer = new ResizeObserver(() => {
      if (follows) {
        box.scrollTop = box.scrollHeight;
      }
      onScroll();
    });
    observer.observe(content.current!);
    observer.observe(box);
    box.addEventListener('scroll', onScroll, { passive: true });
    toEnd.current = end;
    end();
    return () => {
      observer.disconnect();
      box.removeEventListener('scroll', onScroll);
    };
  }, [one.id]);

  const isBusy = useDerived(() => isGenerating(one), [one]);
  return (
    <div class="messages-area">
      <div class="messages" ref={scroller} tabIndex={0} role="log" aria-live="off" aria-label="Chat" aria-busy={isBusy.value}>
        <div class="messages-inner" ref={content}>
          {path.map((id, index) => <MessageView key={id} one={one} id={id} isNear={index >= path.length - near} />)}
        </div>
      </div>
      {!isAtEnd.value && <IconButton icon="down" label="To the end of the chat" class="to-end" onPress={() => toEnd.current?.()} />}
      <Announcer one={one} />
    </div>
  );
}
