import { useEffect, useState } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import { TextField } from '../ui/controls';
import { formatNumber } from '../ui/words';

/** A number that is kept when the field is left, or on Enter; one that is out of range stays there with what is wrong. */
export function NumberSetting({ label, value, min, max, unit, hint, disabled, onSave }: {
  label: string; value: number; min: number; max: number; unit?: string; hint?: ComponentChildren; disabled?: boolean; onSave: (value: number) => unknown;
}) {
  const [text, setText] = useState(String(value));
  useEffect(() => setText(String(value)), [value]);
  const typed = /^\d+$/.test(text.trim()) ? Number(text) : NaN;
  const isFine = typed >= min && typed <= max;

  function keep(): void {
    if (isFine && typed !== value) {
      void onSave(typed);
    }
  }

  return (
    <TextField label={unit ? `${label} (${unit})` : label} class="short" inputMode="numeric" value={text} onInput={setText} hint={hint} disabled={disabled}
      error={isFine ? null : `A whole number from ${formatNumber(min)} to ${formatNumber(max)}.`} onBlur={keep} onKeyDown={event => { if (event.key === 'Enter') { keep(); } }} />
  );
}
