import { useSignal } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { explain } from '../api';
import { formatBytes } from '../format';
import { ModelPicker } from '../models/ModelPicker';
import { addShortcuts } from '../shortcuts';
import { connection } from '../store';
import { IconButton, Spinner } from '../ui/controls';
import { useDerived } from '../ui/derived';
import { openDialog } from '../ui/dialog';
import { Icon } from '../ui/icons';
import { toast } from '../ui/toast';
import { isGenerating, send, stop, tellError } from './actions';
import { accepted, type Draft, limits, limitsText, readFile, weigh } from './attachments';
import { choose, currentChoice, loadModels, mostInput } from './choice';
import type { OpenConversation } from './conversations';
import { type ComposerState, draftOf } from './drafts';
import { insertPrompt } from './SystemPrompt';

const touch = matchMedia('(pointer: coarse)');

/** Takes in files from wherever they come; the ones too many are told and left out. */
export function addFiles(state: ComposerState, files: Iterable<File>): void {
  for (const file of files) {
    if (state.files.peek().length >= limits.count) {
      toast(`At most ${limits.count} files go with one message.`, 'error');
      return;
    }
    void readFile(file, draft => {
      const now = state.files.peek();
      state.files.value = now.some(one => one.key === draft.key) ? now.map(one => one.key === draft.key ? draft : one) : draft.content === null && !draft.error ? [...now, draft] : now;
    });
  }
}

export function Composer({ one, onSent }: { one: OpenConversation | null; onSent: () => void }) {
  const state = draftOf(one?.id ?? null);
  const field = useRef<HTMLTextAreaElement>(null);
  const isSending = useSignal(false);
  const problem = useSignal<string | null>(null);
  const isBusy = useDerived(() => isGenerating(one), [one]);
  const choice = currentChoice(one);
  const files = state.files.value;
  const text = state.text.value;
  const most = mostInput(choice);
  const weight = weigh(files);
  const isTooMuch = most !== null && weight > most;
  const canSend = !isTooMuch && !isSending.value && !isBusy.value && connection.value !== 'gone' && (text.trim() !== '' || files.length > 0) && files.every(file => file.content !== null);

  useEffect(() => {
    if (!touch.matches) {
      field.current?.focus({ preventScroll: true });
    }
    problem.value = null;
  }, [one?.id]);

  useEffect(() => {
    if (connection.value === 'open') {
      void loadModels().catch(() => undefined);
    }
  }, [one?.id, connection.value]);

  useEffect(() => addShortcuts(
    { keys: 'Shift+Escape', what: 'Go to the message field', whileTyping: true, run: () => field.current?.focus() },
    { keys: '/', what: 'Go to the message field', run: () => field.current?.focus() }), []);

  useLayoutEffect(() => {
    const area = field.current!;
    area.style.height = 'auto';
    area.style.height = `${area.scrollHeight + 2}px`;
  }, [text, one?.id]);

  const submit = async () => {
    if (!canSend) {
      return;
    }
    isSending.value = true;
    problem.value = null;
    const kept = { text, files };
    state.text.value = '';
    state.files.value = [];
    onSent();
    try {
      await send(one, one?.path.peek().at(-1) ?? null, kept.text.trim(), kept.files);
      for (const file of kept.files) {
        release(file);
      }
    } catch (error) {
      // Nothing is lost: what was typed meanwhile stays behind it.
      state.text.value = state.text.peek() === '' ? kept.text : `${kept.text}\n${state.text.peek()}`;
      state.files.value = [...kept.files, ...state.files.peek()];
      problem.value = explain(error);
    } finally {
      isSending.value = false;
    }
  };

  return (
    <div class="composer-area">
      <div role="alert">{problem.value !== null && <p class="composer-problem"><Icon name="warning" size={16} />{problem.value}</p>}</div>
      <form class="composer" onSubmit={event => { event.preventDefault(); void submit(); }}>
        {files.length > 0 && <ul class="files" aria-label="Attached files">{files.map(file => <FileChip key={file.key} file={file} onRemove={() => {
          release(file);
          state.files.value = state.files.peek().filter(other => other.key !== file.key);
          field.current?.focus();
        }} />)}</ul>}
        {files.length > 0 && (
          <p class={isTooMuch ? 'files-sum is-wrong' : 'files-sum'} role="status">
            {formatBytes(weight)}{most !== null && ` of ${formatBytes(most)} that go with one question${choice?.plan ? ` of ${choice.plan}` : ''}, with all that was said before`}
            {isTooMuch && '. Remove a file, or choose a larger plan.'}
          </p>
        )}
        <textarea ref={field} id="composer" rows={1} dir="auto" aria-label="Message" placeholder="Ask anything" value={text} enterkeyhint={touch.matches ? 'enter' : 'send'}
          onInput={event => { state.text.value = event.currentTarget.value; }}
          onKeyDown={event => {
            if (event.key === 'Enter' && !event.shiftKey && !event.isComposing && (!touch.matches || event.ctrlKey || event.metaKey)) {
              event.preventDefault();
              void submit();
            } else if (event.key === 'ArrowUp' && text === '') {
              const buttons = document.querySelectorAll<HTMLElement>('[data-action=edit]');
              if (buttons.length > 0) {
                event.preventDefault();
                buttons[buttons.length - 1]!.click();
              }
            }
          }}
          onPaste={event => {
            const pasted = [...event.clipboardData?.files ?? []];
            // Office programs put a picture of a text beside it: the text is meant.
            if (pasted.length > 0 && !event.clipboardData!.types.includes('text/plain')) {
              event.preventDefault();
              addFiles(state, pasted);
            }
          }} />
        <div class="composer-tools">
          <IconButton icon="attach" label={`Attach files. ${limitsText}`} onPress={() => pickFiles(picked => addFiles(state, picked))} />
          <IconButton icon="bookmark" label="Insert a saved prompt" onPress={() => insertPrompt(inserted => {
            state.text.value = state.text.peek() === '' ? inserted : `${state.text.peek()}\n${inserted}`;
            requestAnimationFrame(() => field.current?.focus());
          })} />
          <button type="button" class="menu-button model-button" aria-haspopup="dialog" title="Choose the model and the plan"
            onClick={() => openDialog(close => <ModelPicker current={choice} onChoose={chosen => void choose(one, chosen).catch(tellError)} onClose={close} />)}>
            <span class="model-name">{choice?.model ?? 'Choose a model'}</span>{choice?.plan && <small>{choice.plan}</small>}<Icon name="down" size={14} />
          </button>
          <span class="spread" />
          {isBusy.value
            ? <IconButton icon="stop" label="Stop the answer" class="send" onPress={() => one !== null ? stop(one) : undefined} />
            : (
              <button type="submit" class="icon-button send" aria-label="Send" title="Send" disabled={!canSend}>
                {isSending.value ? <Spinner /> : <Icon name="send" size={20} />}
              </button>
            )}
        </div>
      </form>
    </div>
  );
}

function FileChip({ file, onRemove }: { file: Draft; onRemove: () => void }) {
  return (
    <li class={file.error ? 'file is-wrong' : 'file'}>
      {file.preview ? <img src={file.preview} alt="" /> : <Icon name={file.mediaType.startsWith('image/') ? 'image' : 'file'} />}
      <span class="file-text"><span>{file.name}</span><small>{file.error ?? (file.content === null ? 'being read …' : formatBytes(file.size))}</small></span>
      <IconButton icon="close" size={15} label={`Remove ${file.name}`} onPress={onRemove} />
    </li>
  );
}

const release = (file: Draft): void => { if (file.preview) { URL.revokeObjectURL(file.preview); } };

function pickFiles(take: (files: File[]) => void): void {
  const input = document.createElement('input');
  input.type = 'file';
  input.multiple = true;
  input.accept = accepted;
  input.onchange = () => take([...input.files ?? []]);
  input.click();
}
