import { useEffect } from 'preact/hooks';
import { Dialog, isDialogOpen, openDialog } from './ui/dialog';

export interface Shortcut {
  /** `Mod` is Ctrl, or ⌘ on a Mac. */
  keys: string;
  what: string;
  run: () => void;
  /** Whether it works while text is being typed. Those with a modifier do. */
  whileTyping?: boolean;
}

const isMac = /Mac|iP(hone|ad)/.test(navigator.platform);
const list: Shortcut[] = [];

/** Shortcuts of a part of the page; the returned function takes them away. */
export function addShortcuts(...some: Shortcut[]): () => void {
  list.push(...some);
  return () => {
    for (const one of some) {
      list.splice(list.indexOf(one), 1);
    }
  };
}

export function useShortcuts(): void {
  useEffect(() => {
    const take = addShortcuts({ keys: '?', what: 'Show the keyboard shortcuts', run: showShortcuts });
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.isComposing || event.defaultPrevented || isDialogOpen()) {
        return;
      }
      const target = event.target as HTMLElement;
      const isTyping = target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
      const found = list.find(one => matches(one.keys, event) && (!isTyping || one.whileTyping || one.keys.includes('Mod') || one.keys.includes('Alt')));
      if (found !== undefined) {
        event.preventDefault();
        found.run();
      }
    };
    addEventListener('keydown', onKeyDown);
    return () => {
      removeEventListener('keydown', onKeyDown);
      take();
    };
  }, []);
}

function matches(keys: string, event: KeyboardEvent): boolean {
  const parts = keys.split('+');
  const key = parts.at(-1)!;
  const mod = isMac ? event.metaKey : event.ctrlKey;
  const other = isMac ? event.ctrlKey : event.metaKey;
  const isLetter = key.length === 1;
  return mod === parts.includes('Mod') && !other && event.altKey === parts.includes('Alt')
    // What shift does to a sign is in the sign.
    && (isLetter && !/[a-z]/i.test(key) || event.shiftKey === parts.includes('Shift'))
    && (isLetter ? event.key.toLowerCase() === key.toLowerCase() : event.key === key);
}

export function showShortcuts(): void {
  openDialog(close => (
    <Dialog title="Keyboard shortcuts" onClose={close}>
      <dl class="shortcuts">
        {list.map(one => <div key={one.keys}><dt>{one.what}</dt><dd>{label(one.keys).map(key => <kbd key={key}>{key}</kbd>)}</dd></div>)}
        <div><dt>Send the message</dt><dd><kbd>Enter</kbd></dd></div>
        <div><dt>New line in the message</dt><dd><kbd>Shift</kbd><kbd>Enter</kbd></dd></div>
        <div><dt>Edit the last message (in an empty composer)</dt><dd><kbd>↑</kbd></dd></div>
      </dl>
    </Dialog>
  ));
}

function label(keys: string): string[] {
  return keys.split('+').map(part => part === 'Mod' ? (isMac ? '⌘' : 'Ctrl') : part === 'Alt' && isMac ? '⌥' : part === 'Escape' ? 'Esc' : part.length === 1 ? part.toUpperCase() : part);
}
