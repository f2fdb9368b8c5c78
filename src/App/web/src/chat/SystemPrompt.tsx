import { useSignal } from '@preact/signals';
import { api } from '../api';
import { prompts, settings } from '../store';
import { Button, Field, IconButton, TextField } from '../ui/controls';
import { Dialog, openDialog } from '../ui/dialog';
import type { SavedPrompt } from '../wire';
import { tellError } from './actions';
import { newSystem } from './choice';
import type { OpenConversation } from './conversations';

const save = (list: readonly SavedPrompt[]): Promise<unknown> => api.put('/app/prompts', list);

/** What the model is told before everything else, of one conversation. */
export function editSystemPrompt(one: OpenConversation | null): void {
  openDialog(close => <SystemDialog one={one} onClose={close} />);
}

/** A saved text for the composer. */
export function insertPrompt(take: (text: string) => void): void {
  openDialog(close => (
    <Dialog title="Saved prompts" onClose={close}>
      <Library onPick={text => { close(); take(text); }} />
    </Dialog>
  ));
}

function SystemDialog({ one, onClose }: { one: OpenConversation | null; onClose: () => void }) {
  const text = useSignal(one === null ? newSystem.peek() ?? settings.peek()?.defaultSystem ?? '' : one.head.peek()?.system ?? '');
  const name = useSignal('');
  const apply = async () => {
    if (one === null) {
      newSystem.value = text.value;
    } else {
      await api.patch(`/app/conversations/${encodeURIComponent(one.id)}`, { system: text.value });
      if (one.head.value !== null) {
        one.head.value = { ...one.head.value, system: text.value };
      }
    }
    onClose();
  };
  return (
    <Dialog title="System prompt" onClose={onClose} wide actions={<>
      <Button onPress={onClose}>Cancel</Button>
      <Button kind="primary" onPress={apply}>Use it</Button>
    </>}>
      <div class="stack">
        <Field label="What the model is told before everything else" hint="It goes with every question of this chat. Do not put your name into it.">
          {ids => <textarea {...ids} rows={7} dir="auto" value={text.value} onInput={event => { text.value = event.currentTarget.value; }} />}
        </Field>
        {text.value.trim() !== '' && !prompts.value.some(saved => saved.text === text.value) && (
          <div class="row save-prompt">
            <TextField label="Keep it under a name" value={name.value} onInput={value => { name.value = value; }} maxLength={80} />
            <Button icon="bookmark" disabled={name.value.trim() === ''} onPress={async () => {
              await save([...prompts.value, { id: newId(), name: name.value.trim(), text: text.value }]);
              name.value = '';
            }}>Keep</Button>
          </div>
        )}
        <Library onPick={picked => { text.value = picked; }} />
      </div>
    </Dialog>
  );
}

const newId = (): string => crypto.randomUUID().replaceAll('-', '');

function Library({ onPick }: { onPick: (text: string) => void }) {
  const editing = useSignal<SavedPrompt | null>(null);
  const edited = editing.value;
  if (edited !== null) {
    const isNew = !prompts.value.some(saved => saved.id === edited.id);
    return (
      <div class="stack prompt-editor">
        <TextField label="Name" value={edited.name} maxLength={80} onInput={name => { editing.value = { ...edited, name }; }} />
        <Field label="Text">{ids => <textarea {...ids} rows={5} dir="auto" value={edited.text} onInput={event => { editing.value = { ...edited, text: event.currentTarget.value }; }} />}</Field>
        <div class="row">
          <Button kind="primary" disabled={edited.name.trim() === '' || edited.text.trim() === ''} onPress={async () => {
            await save(isNew ? [...prompts.value, edited] : prompts.value.map(saved => saved.id === edited.id ? edited : saved));
            editing.value = null;
          }}>Keep</Button>
          <Button onPress={() => { editing.value = null; }}>Cancel</Button>
        </div>
      </div>
    );
  }
  return (
    <div class="prompt-library">
      {prompts.value.length === 0 && <p class="muted">Prompts that you keep are listed here, encrypted with your chats.</p>}
      <ul>{prompts.value.map(saved => (
        <li key={saved.id}>
          <button type="button" class="prompt-pick" onClick={() => onPick(saved.text)}><span>{saved.name}</span><small>{saved.text}</small></button>
          <IconButton icon="edit" size={16} label={`Edit “${saved.name}”`} onPress={() => { editing.value = saved; }} />
          <IconButton icon="trash" size={16} label={`Delete “${saved.name}”`} onPress={() => save(prompts.value.filter(other => other.id !== saved.id)).catch(tellError)} />
        </li>
      ))}</ul>
      <Button icon="plus" kind="quiet" onPress={() => { editing.value = { id: newId(), name: '', text: '' }; }}>New prompt</Button>
    </div>
  );
}
