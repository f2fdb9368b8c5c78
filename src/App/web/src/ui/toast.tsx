import { signal } from '@preact/signals';
import { IconButton } from './controls';

type Kind = 'info' | 'error';
const toasts = signal<readonly { id: number; text: string; kind: Kind }[]>([]);
let last = 0;

/** A line that passes by. What somebody has to act on does not belong here. */
export function toast(text: string, kind: Kind = 'info'): void {
  const id = ++last;
  toasts.value = [...toasts.value.filter(other => other.text !== text), { id, text, kind }];
  setTimeout(() => dismiss(id), kind === 'error' ? 12_000 : 5000);
}

function dismiss(id: number): void {
  toasts.value = toasts.value.filter(other => other.id !== id);
}

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map(one => (
        <div key={one.id} class={`toast ${one.kind}`}>
          <span>{one.text}</span>
          <IconButton icon="close" label="Dismiss" size={16} onPress={() => dismiss(one.id)} />
        </div>
      ))}
    </div>
  );
}
