// Dialogs are the browser's own: it keeps the focus inside, gives it back afterwards, and closes on Escape.
import { signal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';
import { Button, IconButton } from './controls';

interface Shown { id: number; render: (close: () => void) => ComponentChildren }
const shown = signal<readonly Shown[]>([]);
let last = 0;

/** Shows what is rendered, which should be a Dialog, until it calls `close`. */
export function openDialog(render: (close: () => void) => ComponentChildren): () => void {
  const id = ++last;
  const close = () => { shown.value = shown.value.filter(one => one.id !== id); };
  shown.value = [...shown.value, { id, render: () => render(close) }];
  return close;
}

export function isDialogOpen(): boolean {
  return shown.value.length > 0;
}

export function Dialogs() {
  return <>{shown.value.map(one => <DialogSlot key={one.id} render={one.render} />)}</>;
}

function DialogSlot({ render }: { render: Shown['render'] }) {
  return <>{render(() => undefined)}</>;
}

/** @param kind `panel` stands at the right edge, over the whole height. */
export function Dialog({ title, onClose, children, actions, kind = 'box', wide = false }: {
  title: string; onClose: () => void; children: ComponentChildren; actions?: ComponentChildren; kind?: 'box' | 'panel'; wide?: boolean;
}) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = ref.current!;
    const before = document.activeElement;
    dialog.showModal();
    return () => {
      dialog.close();
      if (before instanceof HTMLElement && before.isConnected) {
        before.focus();
      }
    };
  }, []);
  return (
    <dialog ref={ref} class={`dialog ${kind}${wide ? ' wide' : ''}`} aria-labelledby={id}
      onCancel={event => { event.preventDefault(); onClose(); }}
      onMouseDown={event => { if (event.target === event.currentTarget) { onClose(); } }}>
      <div class="dialog-inner">
        <header class="dialog-head"><h2 id={id}>{title}</h2><IconButton icon="close" label="Close" onPress={onClose} /></header>
        <div class="dialog-body">{children}</div>
        {actions && <footer class="dialog-foot">{actions}</footer>}
      </div>
    </dialog>
  );
}

/** Resolves to whether it was confirmed. */
export function confirm(title: string, text: ComponentChildren, action: string, isDangerous = false): Promise<boolean> {
  return new Promise(resolve => {
    openDialog(close => {
      const end = (answer: boolean) => { close(); resolve(answer); };
      return (
        <Dialog title={title} onClose={() => end(false)} actions={<>
          <Button onPress={() => end(false)}>Cancel</Button>
          <Button kind={isDangerous ? 'danger' : 'primary'} onPress={() => end(true)}>{action}</Button>
        </>}>
          <div class="prose">{text}</div>
        </Dialog>
      );
    });
  });
}
