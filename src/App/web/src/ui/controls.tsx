// What pages are made of. Every control has a name for a screen reader and can be reached and worked by keyboard alone.
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { explain } from '../api';
import { Icon, type IconName } from './icons';
import { toast } from './toast';

type Press = () => void | Promise<unknown>;

interface ButtonProps {
  onPress: Press;
  kind?: 'primary' | 'plain' | 'danger' | 'quiet';
  icon?: IconName;
  disabled?: boolean;
  title?: string;
  type?: 'button' | 'submit';
  children?: ComponentChildren;
}

/** While what it began is under way it cannot be pressed again; what went wrong is told as a toast. */
export function Button({ onPress, kind = 'plain', icon, disabled, title, type = 'button', children }: ButtonProps) {
  const [isBusy, run] = useBusy(onPress);
  return (
    <button type={type} class={`button ${kind}`} disabled={disabled || isBusy} aria-busy={isBusy} title={title} onClick={run}>
      {isBusy ? <Spinner /> : icon && <Icon name={icon} />}
      <span>{children}</span>
    </button>
  );
}

interface IconButtonProps {
  icon: IconName;
  label: string;
  onPress: Press;
  disabled?: boolean;
  pressed?: boolean;
  class?: string;
  size?: number;
}

export function IconButton({ icon, label, onPress, disabled, pressed, class: extra = '', size }: IconButtonProps) {
  const [isBusy, run] = useBusy(onPress);
  return (
    <button type="button" class={`icon-button ${extra}`} aria-label={label} title={label} aria-pressed={pressed} disabled={disabled || isBusy} onClick={run}>
      <Icon name={icon} {...(size === undefined ? {} : { size })} />
    </button>
  );
}

function useBusy(onPress: Press): [boolean, () => void] {
  const [isBusy, setBusy] = useState(false);
  const isThere = useRef(true);
  useEffect(() => () => { isThere.current = false; }, []);
  return [isBusy, () => {
    let result: void | Promise<unknown>;
    try {
      result = onPress();
    } catch (error) {
      toast(explain(error), 'error');
      return;
    }
    if (result instanceof Promise) {
      setBusy(true);
      result.catch(error => toast(explain(error), 'error')).finally(() => isThere.current && setBusy(false));
    }
  }];
}

export function Spinner() {
  return <span class="spinner" aria-hidden="true" />;
}

/** A labelled place for one control, which gets the id that it is labelled by and that of the hint. */
export function Field({ label, hint, error, children }: {
  label: string; hint?: ComponentChildren; error?: string | null; children: (ids: { id: string; 'aria-describedby'?: string; 'aria-invalid'?: boolean }) => ComponentChildren;
}) {
  const id = useId();
  const isDescribed = hint !== undefined || !!error;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({ id, ...(isDescribed ? { 'aria-describedby': `${id}-hint` } : {}), ...(error ? { 'aria-invalid': true } : {}) })}
      {isDescribed && <div class={error ? 'hint error' : 'hint'} id={`${id}-hint`}>{error || hint}</div>}
    </div>
  );
}

export function TextField({ label, value, onInput, hint, error, ...rest }: {
  label: string; value: string; onInput: (value: string) => void; hint?: ComponentChildren; error?: string | null;
  type?: 'text' | 'password' | 'number' | 'url'; placeholder?: string; disabled?: boolean; required?: boolean; min?: number; max?: number; step?: number;
  inputMode?: 'text' | 'numeric' | 'decimal' | 'url'; autocomplete?: string; spellcheck?: boolean; class?: string; maxLength?: number; onKeyDown?: (event: KeyboardEvent) => void; onBlur?: () => void;
}) {
  return (
    <Field label={label} hint={hint} error={error ?? null}>
      {ids => <input {...{ type: 'text', autocomplete: 'off', spellcheck: false, ...rest, ...ids } as object} value={value} onInput={event => onInput(event.currentTarget.value)} />}
    </Field>
  );
}

export function SelectField<T extends string>({ label, value, options, onChange, hint, disabled }: {
  label: string; value: T; options: readonly { value: T; label: string }[]; onChange: (value: T) => void; hint?: ComponentChildren; disabled?: boolean;
}) {
  return (
    <Field label={label} hint={hint}>
      {ids => (
        <select {...ids} value={value} disabled={disabled} onChange={event => onChange(event.currentTarget.value as T)}>
          {options.map(option => <option key={option.value} value={option.value} selected={option.value === value}>{option.label}</option>)}
        </select>
      )}
    </Field>
  );
}

export function Switch({ label, checked, onChange, hint, disabled }: {
  label: string; checked: boolean; onChange: (checked: boolean) => void; hint?: ComponentChildren; disabled?: boolean;
}) {
  const id = useId();
  return (
    <div class="switch-row">
      <div>
        <label for={id}>{label}</label>
        {hint !== undefined && <div class="hint" id={`${id}-hint`}>{hint}</div>}
      </div>
      <input id={id} class="switch" type="checkbox" role="switch" checked={checked} disabled={disabled}
        {...(hint !== undefined ? { 'aria-describedby': `${id}-hint` } : {})} onChange={event => onChange(event.currentTarget.checked)} />
    </div>
  );
}

/** A part of a page with a heading. */
export function Section({ title, actions, children }: { title: string; actions?: ComponentChildren; children: ComponentChildren }) {
  const id = useId();
  return (
    <section class="section" aria-labelledby={id}>
      <div class="section-head"><h2 id={id}>{title}</h2>{actions}</div>
      {children}
    </section>
  );
}

/** A page beside the chat: its title and what belongs to it, in a column that scrolls. */
export function Page({ title, actions, children }: { title: string; actions?: ComponentChildren; children: ComponentChildren }) {
  return (
    <div class="page">
      <div class="page-inner">
        <header class="page-head"><h1 tabIndex={-1}>{title}</h1>{actions}</header>
        {children}
      </div>
    </div>
  );
}

export function Badge({ kind = 'plain', children }: { kind?: 'plain' | 'good' | 'warning' | 'bad'; children: ComponentChildren }) {
  return <span class={`badge ${kind}`}>{children}</span>;
}

/** Something to know, with what to do about it. */
export function Callout({ kind = 'info', children, actions }: { kind?: 'info' | 'warning' | 'error'; children: ComponentChildren; actions?: ComponentChildren }) {
  return (
    <div class={`callout ${kind}`} role={kind === 'error' ? 'alert' : undefined}>
      <Icon name={kind === 'info' ? 'info' : 'warning'} />
      <div class="callout-text">{children}</div>
      {actions && <div class="callout-actions">{actions}</div>}
    </div>
  );
}

export function CopyButton({ text, label = 'Copy' }: { text: string | (() => string); label?: string }) {
  const [isCopied, setCopied] = useState(false);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  return (
    <IconButton icon={isCopied ? 'check' : 'copy'} label={isCopied ? 'Copied' : label} onPress={async () => {
      await navigator.clipboard.writeText(typeof text === 'string' ? text : text());
      setCopied(true);
      clearTimeout(timer.current);
      timer.current = setTimeout(() => setCopied(false), 1600);
    }} />
  );
}
