import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { api, call } from '../api';
import { formatBytes, formatMilliseconds, formatTime } from '../format';
import { Markdown } from '../markdown/Markdown';
import { ModelPicker } from '../models/ModelPicker';
import { Stages } from '../privacy/Stages';
import { go } from '../router';
import { Button, Callout, CopyButton, IconButton } from '../ui/controls';
import { useDerived } from '../ui/derived';
import { openDialog } from '../ui/dialog';
import { Icon } from '../ui/icons';
import { memo } from '../ui/memo';
import { Menu } from '../ui/menu';
import type { AttachmentView, Message, PrivacyView, Stage } from '../wire';
import { retry, send, tellError } from './actions';
import { type Draft, fromAttachment } from './attachments';
import { currentChoice } from './choice';
import { type OpenConversation, select, stagesOf } from './conversations';
import { PictureDialog, TextDialog } from './fileDialogs';
import { stageNow } from './stages';

interface Props {
  one: OpenConversation;
  id: string;
  /** Whether it is among the last, which are looked at first. */
  isNear: boolean;
}

/** One message. It reads its own signal: another's change does not reach it, and neither does a longer list. */
export const MessageView = memo(function MessageView({ one, id, isNear }: Props) {
  const role = useDerived(() => one.tree.get(id)?.value.role, [one, id]);
  switch (role.value) {
    case 'user': return <UserMessage one={one} id={id} isNear={isNear} />;
    case 'assistant': return <AssistantMessage one={one} id={id} isNear={isNear} />;
    default: return null;
  }
});

function UserMessage({ one, id }: Props) {
  const message = one.tree.get(id)!.value;
  const isEditing = useSignal(false);
  if (isEditing.value) {
    return (
      <article class="message user is-editing" aria-label="You, being edited">
        <Editor one={one} message={message} onEnd={() => { isEditing.value = false; }} />
      </article>
    );
  }
  return (
    <article class="message user" aria-label="You">
      {message.attachments.length > 0 && <Attachments one={one} attachments={message.attachments} />}
      {message.text !== '' && <div class="bubble" dir="auto">{message.text}</div>}
      <div class="message-tools">
        <Branches one={one} id={id} />
        <CopyButton text={message.text} label="Copy your message" />
        <button type="button" class="icon-button" data-action="edit" aria-label="Edit and send again" title="Edit and send again" onClick={() => { isEditing.value = true; }}><Icon name="edit" /></button>
      </div>
    </article>
  );
}

function Editor({ one, message, onEnd }: { one: OpenConversation; message: Message; onEnd: () => void }) {
  const text = useSignal(message.text);
  const files = useSignal<readonly Draft[]>(message.attachments.map(fromAttachment));
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    field.current!.focus();
    field.current!.setSelectionRange(message.text.length, message.text.length);
  }, []);
  const submit = async () => {
    if (text.value.trim() === '' && files.value.length === 0) {
      return;
    }
    await send(one, message.parent ?? null, text.value.trim(), files.value);
    onEnd();
  };
  return (
    <form class="editor" onSubmit={event => { event.preventDefault(); void submit().catch(tellError); }}>
      <textarea ref={field} rows={Math.min(12, message.text.split('\n').length + 1)} dir="auto" aria-label="Your message" value={text.value}
        onInput={event => { text.value = event.currentTarget.value; }}
        onKeyDown={event => {
          if (event.key === 'Escape') {
            event.stopPropagation();
            onEnd();
          } else if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
            event.preventDefault();
            void submit().catch(tellError);
          }
        }} />
      {files.value.length > 0 && <ul class="files">{files.value.map(file => (
        <li class="file" key={file.key}><Icon name="file" /><span class="file-text"><span>{file.name}</span><small>{formatBytes(file.size)}</small></span>
          <IconButton icon="close" size={15} label={`Remove ${file.name}`} onPress={() => { files.value = files.value.filter(other => other !== file); }} /></li>
      ))}</ul>}
      <div class="row">
        <span class="hint spread">A new branch begins here; the old one stays.</span>
        <Button onPress={onEnd}>Cancel</Button>
        <Button kind="primary" onPress={submit}>Send</Button>
      </div>
    </form>
  );
}

function AssistantMessage({ one, id, isNear }: Props) {
  const message = one.tree.get(id)!;
  const source = useDerived(() => ({ text: message.value.text, isDone: message.value.state !== 'generating' }), [message]);
  const reasoning = useDerived(() => ({ text: message.value.reasoning ?? '', isDone: message.value.state !== 'generating' }), [message]);
  const state = useDerived(() => message.value.state, [message]).value;
  const hasReasoning = useDerived(() => !!message.value.reasoning, [message]).value;
  const hasText = useDerived(() => message.value.text !== '', [message]).value;
  const isThinking = useDerived(() => message.value.state === 'generating' && message.value.text === '', [message]).value;
  return (
    <article class={`message assistant is-${state}`} aria-label="Answer" aria-busy={state === 'generating'}>
      {hasReasoning && (
        <details class="reasoning">
          <summary><Icon name="right" size={14} />{isThinking ? 'Thinking …' : 'What the model thought'}</summary>
          <Markdown source={reasoning} isNear={isNear} />
        </details>
      )}
      {hasText && <Markdown source={source} isNear={isNear} />}
      <Progress one={one} id={id} />
      {state !== 'generating' && <After one={one} id={id} />}
    </article>
  );
}

/** What stands under an answer once it has ended: what became of it, and what can be done with it. */
function After({ one, id }: { one: OpenConversation; id: string }) {
  const message = one.tree.get(id)!.value;
  const choice = message.model ? { model: message.model, plan: null } : currentChoice(one);
  const withAnother = () => openDialog(close => (
    <ModelPicker current={choice} onChoose={chosen => { void retry(one, id, chosen).catch(tellError); }} onClose={close} />
  ));
  return (
    <>
      {message.state === 'stopped' && <p class="ended">You stopped this answer.</p>}
      {message.state === 'failed' && <Failure one={one} message={message} />}
      {message.notices.map(notice => <Callout key={notice}>{notice}</Callout>)}
      <div class="message-tools">
        <Branches one={one} id={id} />
        {message.text !== '' && <CopyButton text={message.text} label="Copy this answer" />}
        <IconButton icon="retry" label="Answer again" onPress={() => retry(one, id)} />
        <Menu label="More for this answer" items={[
          { label: 'Answer again with another model', icon: 'retry', onSelect: withAnother },
          { label: 'Who saw what', icon: 'shield', onSelect: () => document.querySelector<HTMLElement>('[data-action=privacy]')?.click() },
        ]} />
        {message.model && <span class="made-by" title={`${formatTime(message.created)}${message.usage ? ` · ${message.usage.input} tokens in, ${message.usage.output} out` : ''}`}>{message.model}{message.plan && ` · ${message.plan}`}</span>}
      </div>
    </>
  );
}

function Failure({ one, message }: { one: OpenConversation; message: Message }) {
  const error = message.error;
  const isWallet = /wallet|account|credits|subscription/.test(error?.code ?? '');
  return (
    <Callout kind="error" actions={<>
      {isWallet && <Button onPress={() => go('#/wallet')}>Open the wallet</Button>}
      {/plan|model/.test(error?.code ?? '') && !isWallet && <Button onPress={() => document.querySelector<HTMLElement>('.model-button')?.click()}>Choose a model</Button>}
      {/tor|carrier|transport|gateway_unreachable/.test(error?.code ?? '') && <Button onPress={() => go('#/settings')}>Settings</Button>}
      <Button kind={error?.canRetry ? 'primary' : 'plain'} icon="retry" onPress={() => retry(one, message.id)}>Try again</Button>
    </>}>
      {error?.message ?? 'No answer came.'}
    </Callout>
  );
}

/** The stages of a request: the present one while it runs, all of them for whoever wants to know. */
function Progress({ one, id }: { one: OpenConversation; id: string }) {
  const message = one.tree.get(id)!;
  const state = useDerived(() => message.value.state, [message]).value;
  const isEmpty = useDerived(() => message.value.text === '' && !message.value.reasoning, [message]).value;
  const live = stagesOf(id);
  const kept = useSignal<readonly Stage[] | null>(null);
  const stages = live.value.length > 0 ? live.value : kept.value ?? [];
  const last = stages.at(-1);
  const load = async () => {
    if (stages.length > 0 || kept.peek() !== null) {
      return;
    }
    try {
      const view = await api.get<PrivacyView>(`/app/conversations/${encodeURIComponent(one.id)}/privacy`);
      kept.value = view.requests.filter(request => request.message === id).flatMap(request => request.stages);
    } catch {
      kept.value = [];
    }
  };
  const first = stages.find(stage => stage.name === 'first-token');
  const line = state === 'generating'
    ? last ? stageNow(last) : 'Getting ready'
    : first ? `First words after ${formatMilliseconds(first.at)}` : 'What happened';
  if (state === 'generating' && !isEmpty && stages.length === 0) {
    return null;
  }
  return (
    <details class={state === 'generating' ? 'went is-live' : 'went'} onToggle={event => { if (event.currentTarget.open) { void load(); } }}>
      <summary>{state === 'generating' && <span class="pulse" aria-hidden="true" />}<span>{line}{state === 'generating' && isEmpty && ' …'}</span><Icon name="right" size={12} /></summary>
      <Stages stages={stages} />
      {stages.length === 0 && state !== 'generating' && <p class="hint">{kept.value === null ? 'Looking …' : 'Nothing is kept of this one.'}</p>}
    </details>
  );
}

function Branches({ one, id }: { one: OpenConversation; id: string }) {
  // Which siblings there are is known by the path having changed.
  one.path.value;
  const siblings = one.tree.siblings(id);
  if (siblings.length < 2) {
    return null;
  }
  const at = siblings.indexOf(id);
  return (
    <div class="branches" role="group" aria-label={`Version ${at + 1} of ${siblings.length}`}>
      <IconButton icon="left" size={15} label="Version before" disabled={at === 0} onPress={() => select(one, siblings[at - 1]!)} />
      <span>{at + 1}/{siblings.length}</span>
      <IconButton icon="right" size={15} label="Next version" disabled={at === siblings.length - 1} onPress={() => select(one, siblings[at + 1]!)} />
    </div>
  );
}

function Attachments({ one, attachments }: { one: OpenConversation; attachments: readonly AttachmentView[] }) {
  return <ul class="files sent">{attachments.map(file => <li key={file.id} class="file">{file.mediaType.startsWith('image/') ? <Picture one={one} file={file} /> : <TextFile one={one} file={file} />}</li>)}</ul>;
}

const pathOf = (one: OpenConversation, file: AttachmentView): string => `/app/conversations/${encodeURIComponent(one.id)}/attachments/${encodeURIComponent(file.id)}`;

function Picture({ one, file }: { one: OpenConversation; file: AttachmentView }) {
  const address = useSignal<string | null>(null);
  useEffect(() => {
    let made: string | null = null;
    let isOver = false;
    call('GET', pathOf(one, file)).then(response => response.blob()).then(blob => {
      if (!isOver) {
        address.value = made = URL.createObjectURL(new Blob([blob], { type: file.mediaType }));
      }
    }).catch(() => undefined);
    return () => {
      isOver = true;
      if (made !== null) {
        URL.revokeObjectURL(made);
      }
    };
  }, [file.id]);
  const show = () => openDialog(close => <PictureDialog name={file.name} address={address.peek()!} onClose={close} />);
  return (
    <button type="button" class="picture" aria-label={`Show ${file.name}`} disabled={address.value === null} onClick={show}>
      {address.value === null ? <Icon name="image" /> : <img src={address.value} alt={file.name} />}
    </button>
  );
}

function TextFile({ one, file }: { one: OpenConversation; file: AttachmentView }) {
  const show = async () => {
    try {
      const text = await (await call('GET', pathOf(one, file))).text();
      openDialog(close => <TextDialog name={file.name} text={text} onClose={close} />);
    } catch (error) {
      tellError(error);
    }
  };
  return (
    <button type="button" class="file-open" onClick={() => void show()}>
      <Icon name="file" /><span class="file-text"><span>{file.name}</span><small>{file.mediaType === 'application/pdf' ? 'text of a PDF, ' : ''}{formatBytes(file.size)}</small></span>
    </button>
  );
}
