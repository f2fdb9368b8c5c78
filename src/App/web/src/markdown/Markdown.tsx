import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { effect, type ReadonlySignal } from '@preact/signals';
import { toast } from '../ui/toast';
import { type Block, GrowingMarkdown } from './blocks';
import { finishLater } from './later';
import { askToOpen } from './link';
import { sanitize } from './sanitize';
import { inSlices } from './slices';

/** The nodes of one growing text: finished blocks stay as they are, and what is behind them is made anew, at most once a frame. */
class View {
  private readonly growing = new GrowingMarkdown();
  private tail: ChildNode[] = [];
  private openCode: Text | null = null;

  constructor(private readonly root: HTMLElement) {}

  show(text: string, isDone: boolean): void {
    const change = this.growing.update(text, isDone);
    if (change.isNew) {
      this.root.replaceChildren();
      this.tail = [];
      this.openCode = null;
    }
    const grown = change.finished.length === 0 && change.tail.length === 1 ? change.tail[0]!.code : undefined;
    if (this.openCode?.isConnected && grown !== undefined && grown.text.startsWith(this.openCode.data)) {
      this.openCode.appendData(grown.text.slice(this.openCode.data.length));
      return;
    }
    for (const node of this.tail) {
      node.remove();
    }
    this.tail = [];
    this.openCode = null;
    for (const block of change.finished) {
      for (const node of this.add(block)) {
        if (node instanceof HTMLElement) {
          void finishLater(node);
        }
      }
    }
    for (const block of change.tail) {
      this.tail.push(...this.add(block));
    }
    if (change.tail.length === 1 && change.tail[0]!.code) {
      const inside = this.tail.find(node => node instanceof HTMLElement)?.querySelector('code')?.firstChild;
      this.openCode = inside instanceof Text ? inside : null;
    }
  }

  private add(block: Block): ChildNode[] {
    const fragment = sanitize(block.markup);
    for (const head of fragment.querySelectorAll('.code-head')) {
      const button = document.createElement('button');
      button.type = 'button';
      button.className = 'code-copy';
      button.textContent = 'Copy';
      button.setAttribute('aria-label', 'Copy this code');
      head.append(button);
    }
    const nodes = [...fragment.childNodes];
    this.root.append(fragment);
    return nodes;
  }
}

// Conversations are long and screens are not: texts far away are made when they come near, or when there is nothing else to do.
const waiting = new Map<Element, () => void>();
const observer = new IntersectionObserver(entries => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) {
      inSlices(() => make(target));
    }
  }
}, { rootMargin: '1200px 0px' });
let isIdleAsked = false;

function make(element: Element): void {
  const work = waiting.get(element);
  waiting.delete(element);
  observer.unobserve(element);
  work?.();
}

function wait(element: Element, work: () => void): void {
  waiting.set(element, work);
  observer.observe(element);
  askIdle();
}

function askIdle(): void {
  if (isIdleAsked || waiting.size === 0) {
    return;
  }
  isIdleAsked = true;
  const ask = window.requestIdleCallback ?? ((work: IdleRequestCallback) => setTimeout(() => work({ didTimeout: false, timeRemaining: () => 8 }), 50));
  ask(deadline => {
    isIdleAsked = false;
    // From the end: there the reader is.
    for (const element of [...waiting.keys()].reverse()) {
      if (deadline.timeRemaining() < 3) {
        break;
      }
      make(element);
    }
    askIdle();
  });
}

interface Source { text: string; isDone: boolean }

/** @param isNear Whether it is made at once; else its text stands there plainly until it comes near. */
export function Markdown({ source, isNear }: { source: ReadonlySignal<Source>; isNear: boolean }) {
  const ref = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const element = ref.current!;
    let view: View | null = null;
    let frame = 0;
    let stop: (() => void) | null = null;
    const begin = () => {
      element.replaceChildren();
      element.classList.remove('is-plain');
      view = new View(element);
      let isFirst = true;
      stop = effect(() => {
        const { text, isDone } = source.value;
        if (isFirst || isDone) {
          cancelAnimationFrame(frame);
          frame = 0;
          view!.show(text, isDone);
          isFirst = false;
        } else if (frame === 0) {
          frame = requestAnimationFrame(() => {
            frame = 0;
            const now = source.peek();
            view!.show(now.text, now.isDone);
          });
        }
      });
    };
    if (isNear || !source.peek().isDone) {
      begin();
    } else {
      element.textContent = source.peek().text;
      element.classList.add('is-plain');
      wait(element, begin);
    }
    return () => {
      cancelAnimationFrame(frame);
      stop?.();
      waiting.delete(element);
      observer.unobserve(element);
    };
  }, [source]);

  useEffect(() => {
    const element = ref.current!;
    const onClick = (event: Event) => {
      const target = event.target as HTMLElement;
      const copy = target.closest('.code-copy');
      const link = target.closest<HTMLElement>('.md-link');
      if (copy !== null) {
        void copyCode(copy as HTMLElement);
      } else if (link !== null) {
        event.preventDefault();
        askToOpen(link.dataset.address ?? '', link);
      }
    };
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.key === 'Enter' && (event.target as HTMLElement).matches('.md-link')) {
        onClick(event);
      }
    };
    element.addEventListener('click', onClick);
    element.addEventListener('keydown', onKeyDown);
    return () => {
      element.removeEventListener('click', onClick);
      element.removeEventListener('keydown', onKeyDown);
    };
  }, []);

  return <div class="markdown" ref={ref} dir="auto" />;
}

async function copyCode(button: HTMLElement): Promise<void> {
  try {
    await navigator.clipboard.writeText(button.closest('.code')?.querySelector('code')?.textContent ?? '');
    button.textContent = 'Copied';
    setTimeout(() => { button.textContent = 'Copy'; }, 1600);
  } catch {
    toast('The browser does not let this page copy.', 'error');
  }
}
