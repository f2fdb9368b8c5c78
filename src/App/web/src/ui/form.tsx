// What forms are made of beyond the plain controls.
import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';
import { type Failure, isOf } from './action';
import { Callout, CopyButton, Field, Spinner } from './controls';

/** A form whose fields are checked by us, so that what is wrong stands at the field. */
export function Form({ onSubmit, inline = false, children }: { onSubmit: () => unknown; inline?: boolean; children: ComponentChildren }) {
  return (
    <form class={inline ? 'form inline' : 'form'} noValidate onSubmit={event => { event.preventDefault(); onSubmit(); }}>
      {children}
    </form>
  );
}

/** Begins a call whose failure the form shows. Stays focusable meanwhile, so that the keyboard's place is not lost. */
export function Act({ isBusy = false, kind = 'plain', onPress, disabled, label, children }: {
  isBusy?: boolean; kind?: 'primary' | 'plain' | 'danger' | 'quiet'; onPress?: () => unknown; disabled?: boolean; label?: string; children: ComponentChildren;
}) {
  return (
    <button type={onPress ? 'button' : 'submit'} class={`button ${kind}`} disabled={disabled} aria-busy={isBusy} aria-disabled={isBusy} aria-label={label}
      onClick={event => {
        if (isBusy) {
          event.preventDefault();
        } else {
          onPress?.();
        }
      }}>
      {isBusy && <Spinner />}
      <span>{children}</span>
    </button>
  );
}

/** Several lines: codes that are pasted, or a text. */
export function TextArea({ label, value, onInput, hint, error, rows = 3, placeholder, isCode = false, maxLength }: {
  label: string; value: string; onInput: (value: string) => void; hint?: ComponentChildren; error?: string | null; rows?: number; placeholder?: string; isCode?: boolean; maxLength?: number;
}) {
  return (
    <Field label={label} hint={hint} error={error ?? null}>
      {ids => (
        <textarea {...ids} class={isCode ? 'mono' : ''} rows={rows} value={value} placeholder={placeholder} maxLength={maxLength} autocomplete="off" autocapitalize="off" spellcheck={!isCode}
          onInput={event => onInput(event.currentTarget.value)} />
      )}
    </Field>
  );
}

export interface Choice<T extends string> {
  value: T;
  title: ComponentChildren;
  text?: ComponentChildren;
  badge?: string | undefined;
  disabled?: boolean;
}

/** Radio buttons large enough to say what each means; the browser moves between them with the arrow keys. */
export function Choices<T extends string>({ legend, hideLegend = false, value, choices, onChange, layout = 'rows' }: {
  legend: string; hideLegend?: boolean; value: T | null; choices: readonly Choice<T>[]; onChange: (value: T) => void; layout?: 'rows' | 'columns' | 'chips';
}) {
  const name = useId();
  return (
    <fieldset class={`choices ${layout}`}>
      <legend class={hideLegend ? 'visually-hidden' : ''}>{legend}</legend>
      <div class="choices-list">
        {choices.map(choice => (
          <label key={choice.value} class={choice.value === value ? 'choice chosen' : 'choice'}>
            <input type="radio" name={name} value={choice.value} checked={choice.value === value} disabled={choice.disabled} onChange={() => onChange(choice.value)} />
            <span class="choice-body">
              <span class="choice-title">{choice.title}{choice.badge && <span class="badge plain">{choice.badge}</span>}</span>
              {choice.text && <span class="choice-text">{choice.text}</span>}
            </span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}

/** What went wrong with a form, unless it is told at one of its fields. */
export function FormFailure({ failure, atFields = [], actions }: { failure: Failure | null; atFields?: readonly string[]; actions?: ComponentChildren }) {
  return failure === null || isOf(failure, atFields) ? null : <Callout kind="error" actions={actions}>{failure.message}</Callout>;
}

/** What has worked, told to screen readers as well. */
export function Success({ children }: { children: ComponentChildren }) {
  return <p class="success" role="status">{children}</p>;
}

/** How far something is; without a value it says only that it goes on. */
export function Progress({ label, value }: { label: string; value?: number | undefined }) {
  const id = useId();
  return (
    <div class="progress" role="status">
      <label for={id}>{label}</label>
      {value === undefined ? <progress id={id} max={100} /> : <progress id={id} max={100} value={value} />}
    </div>
  );
}

/** A value to take elsewhere. */
export function CopyLine({ label, value }: { label: string; value: string }) {
  return (
    <div class="copy-line">
      <span class="copy-label">{label}</span>
      <code>{value}</code>
      <CopyButton text={value} label={`Copy ${label}`} />
    </div>
  );
}

/** Names and values. */
export function Facts({ facts }: { facts: readonly { name: string; value: ComponentChildren; isCode?: boolean }[] }) {
  return (
    <dl class="facts">
      {facts.map(fact => <div key={fact.name}><dt>{fact.name}</dt><dd class={fact.isCode ? 'mono' : ''}>{fact.value}</dd></div>)}
    </dl>
  );
}

/** What few know, explained where it stands: for keyboard and touch as well. */
export function Explain({ term, children, onToggle }: { term: string; children: ComponentChildren; onToggle?: (isOpen: boolean) => void }) {
  return (
    <details class="explain" onToggle={event => onToggle?.(event.currentTarget.open)}>
      <summary>{term}</summary>
      <div class="explain-body">{children}</div>
    </details>
  );
}
