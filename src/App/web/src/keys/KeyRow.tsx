import { useState } from 'preact/hooks';
import { api } from '../api';
import { useAction } from '../ui/action';
import { TextField } from '../ui/controls';
import { confirm } from '../ui/dialog';
import { Act, Form, FormFailure } from '../ui/form';
import { credits, formatNumber, plural, utcDay } from '../ui/words';
import type { LocalKeyView } from '../wire';
import { capError, readCap } from './cap';

/** What a program has asked and spent, in one line. */
export function spentBy({ dailyCap, spentToday, spentTotal, requests, lastUsed }: LocalKeyView): string {
  return [
    `${credits(spentToday)} today${typeof dailyCap === 'number' ? ` of ${formatNumber(dailyCap)}` : ''}`, `${credits(spentTotal)} in all`, plural(requests, 'request'),
    lastUsed ? `last used ${utcDay(lastUsed)}` : 'not used yet',
  ].join(' · ');
}

export function KeyRow({ entry }: { entry: LocalKeyView }) {
  const [isEditing, setEditing] = useState(false);
  const revoke = useAction(() => api.delete(`/app/keys/${entry.id}`));
  const cap = entry.dailyCap ?? null;

  async function ask(): Promise<void> {
    if (await confirm(`Revoke the key of ${entry.name}?`, 'From now on nothing can be asked with it.', 'Revoke', true)) {
      await revoke.run();
    }
  }

  if (isEditing) {
    return <li class="key"><EditKey entry={entry} onDone={() => setEditing(false)} /></li>;
  }
  return (
    <li class="key">
      <div class="row">
        <h3>{entry.name}</h3>
        {entry.kind === 'key' && (
          <div class="form-actions">
            <Act kind="quiet" onPress={() => setEditing(true)} label={`Change ${entry.name}`}>Change</Act>
            <Act kind="quiet" isBusy={revoke.isBusy} onPress={ask} label={`Revoke the key of ${entry.name}`}>Revoke</Act>
          </div>
        )}
      </div>
      {cap !== null && <meter min={0} max={cap} value={Math.min(entry.spentToday, cap)} aria-label={`${entry.name}: spent today`} />}
      <p class="hint">{spentBy(entry)}</p>
      <FormFailure failure={revoke.failure} />
    </li>
  );
}

function EditKey({ entry, onDone }: { entry: LocalKeyView; onDone: () => void }) {
  const [name, setName] = useState(entry.name);
  const [cap, setCap] = useState(entry.dailyCap?.toString() ?? '');
  const dailyCap = readCap(cap);
  const change = useAction(() => api.patch(`/app/keys/${entry.id}`, { name: name.trim(), dailyCap }));

  async function submit(): Promise<void> {
    if (name.trim() !== '' && dailyCap !== undefined && (await change.run()) !== null) {
      onDone();
    }
  }

  return (
    <>
      <Form inline onSubmit={submit}>
        <TextField label="Name of the app" value={name} onInput={setName} error={name.trim() === '' ? 'Give it a name.' : null} />
        <TextField label="Credits a day" inputMode="numeric" value={cap} onInput={setCap} placeholder="no limit" error={dailyCap === undefined ? capError : null} />
        <Act kind="primary" isBusy={change.isBusy}>Save</Act>
        <Act kind="quiet" onPress={onDone}>Cancel</Act>
      </Form>
      <FormFailure failure={change.failure} />
    </>
  );
}
