import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { Icon, type IconName } from './icons';
import type { ComponentChildren } from 'preact';

export interface MenuItem {
  label: string;
  icon?: IconName;
  hint?: string;
  danger?: boolean;
  disabled?: boolean;
  onSelect: () => void;
}

/** A button that opens a menu (ARIA menu button): arrows move, letters find, Escape closes and gives the focus back. */
export function Menu({ label, icon = 'more', items, children, class: extra = '', align = 'end', up = false }: {
  label: string; icon?: IconName; items: readonly MenuItem[]; children?: ComponentChildren; class?: string; align?: 'start' | 'end'; up?: boolean;
}) {
  const [isOpen, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const id = useId();

  useEffect(() => {
    if (!isOpen) {
      return undefined;
    }
    entries()[0]?.focus();
    const outside = (event: Event) => {
      if (!root.current?.contains(event.target as Node)) {
        setOpen(false);
      }
    };
    document.addEventListener('pointerdown', outside);
    return () => document.removeEventListener('pointerdown', outside);
  }, [isOpen]);

  const entries = () => [...root.current?.querySelectorAll<HTMLButtonElement>('[role=menuitem]:not(:disabled)') ?? []];
  const close = () => {
    setOpen(false);
    button.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const all = entries();
    const at = all.indexOf(document.activeElement as HTMLButtonElement);
    const move = (to: number) => {
      event.preventDefault();
      all[(to + all.length) % all.length]?.focus();
    };
    switch (event.key) {
      case 'ArrowDown': move(at + 1); break;
      case 'ArrowUp': move(at - 1); break;
      case 'Home': move(0); break;
      case 'End': move(all.length - 1); break;
      case 'Escape': event.stopPropagation(); event.preventDefault(); close(); break;
      case 'Tab': setOpen(false); break;
      default:
        if (event.key.length === 1) {
          const letter = event.key.toLowerCase();
          [...all.slice(at + 1), ...all].find(entry => entry.textContent?.trim().toLowerCase().startsWith(letter))?.focus();
        }
    }
  };

  return (
    <div class={`menu ${extra}`} ref={root}>
      <button ref={button} type="button" class={children ? 'menu-button' : 'icon-button'} aria-haspopup="menu" aria-expanded={isOpen} aria-controls={isOpen ? id : undefined}
        aria-label={children ? undefined : label} title={label} onClick={() => setOpen(!isOpen)}
        onKeyDown={event => { if (event.key === 'ArrowDown' && !isOpen) { event.preventDefault(); setOpen(true); } }}>
        {children ?? <Icon name={icon} />}
      </button>
      {isOpen && (
        <div class={`menu-list ${align}${up ? ' up' : ''}`} role="menu" id={id} aria-label={label} onKeyDown={onKeyDown}>
          {items.map(item => (
            <button key={item.label} type="button" role="menuitem" tabIndex={-1} disabled={item.disabled} class={item.danger ? 'danger' : ''}
              onClick={() => { close(); item.onSelect(); }}>
              {item.icon && <Icon name={item.icon} />}
              <span>{item.label}{item.hint && <small>{item.hint}</small>}</span>
            </button>
          ))}
        </div>
      )}
    </div>
  );
}
