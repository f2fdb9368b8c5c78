import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { PrivacyPanel } from '../privacy/PrivacyPanel';
import { isSidebarOpen, SidebarButton } from '../Shell';
import { addShortcuts } from '../shortcuts';
import { chats, chatsProblem, notices, summary, wallet } from '../store';
import { go } from '../router';
import { Button, Callout, IconButton } from '../ui/controls';
import { openDialog } from '../ui/dialog';
import { Icon, Mark } from '../ui/icons';
import { Menu } from '../ui/menu';
import { toast } from '../ui/toast';
import { stop, tellError } from './actions';
import { addFiles, Composer } from './Composer';
import { newSystem } from './choice';
import { type OpenConversation, openConversation } from './conversations';
import { draftOf } from './drafts';
import { MessageList } from './MessageList';
import { deleteChat, newChat } from './Sidebar';
import { editSystemPrompt } from './SystemPrompt';

export function ChatPage({ conversation }: { conversation: string | null }) {
  const one = conversation === null ? null : openConversation(conversation);
  const toEnd = useRef<(() => void) | null>(null);
  const isDropping = useSignal(false);

  useEffect(() => addShortcuts(
    { keys: 'Escape', what: 'Stop the answer', whileTyping: true, run: () => {
      if (one?.path.peek().some(id => one.tree.get(id)?.peek().state === 'generating')) {
        void stop(one).catch(tellError);
      }
    } },
    { keys: 'Mod+Shift+C', what: 'Copy the last answer', run: () => void copyLast(one) }), [one]);

  const begun = one !== null && one.head.value !== null;
  return (
    <div class={isDropping.value ? 'chat is-dropping' : 'chat'}
      onDragOver={event => { if (event.dataTransfer?.types.includes('Files')) { event.preventDefault(); isDropping.value = true; } }}
      onDragLeave={event => { if (!event.currentTarget.contains(event.relatedTarget as Node | null)) { isDropping.value = false; } }}
      onDrop={event => {
        isDropping.value = false;
        if (event.dataTransfer !== null && event.dataTransfer.files.length > 0) {
          event.preventDefault();
          addFiles(draftOf(conversation), event.dataTransfer.files);
        }
      }}>
      <TopBar one={one} />
      <Notices />
      {one?.error.value != null
        ? <div class="chat-empty"><Callout kind="warning" actions={<Button kind="primary" onPress={newChat}>New chat</Button>}>{one.error.value}</Callout></div>
        : begun
          ? one.path.value.length > 0 || one.tree.size > 0 ? <MessageList one={one} toEnd={toEnd} /> : <Welcome />
          : one === null ? <Welcome /> : <div class="chat-empty" aria-busy="true" />}
      {one?.error.value == null && <Composer one={one} onSent={() => toEnd.current?.()} />}
      <div class="drop-hint" aria-hidden="true"><Icon name="attach" size={28} />Drop files to attach them</div>
    </div>
  );
}

function TopBar({ one }: { one: OpenConversation | null }) {
  const title = one === null ? 'New chat' : summary(one.id)?.title || one.head.value?.title || 'New chat';
  const hasSystem = one === null ? !!newSystem.value : !!one.head.value?.system;
  return (
    <header class="topbar">
      {!isSidebarOpen.value && <><SidebarButton /><IconButton icon="plus" label="New chat" onPress={newChat} /></>}
      <h1 class="title"><span class={one === null ? 'visually-hidden' : ''}>{title}</span></h1>
      <button type="button" class={hasSystem ? 'menu-button is-set' : 'menu-button'} onClick={() => editSystemPrompt(one)} aria-label={hasSystem ? 'System prompt, set' : 'System prompt'} title="System prompt">
        <Icon name="bookmark" /><span class="wide-only">System prompt</span>
      </button>
      {one !== null && (
        <button type="button" class="menu-button" data-action="privacy" aria-label="Privacy: who saw what of this chat" title="Who saw what of this chat" aria-haspopup="dialog"
          onClick={() => openDialog(close => <PrivacyPanel conversation={one.id} onClose={close} />)}>
          <Icon name="shield" /><span class="wide-only">Privacy</span>
        </button>
      )}
      {one !== null && (
        <Menu label="More for this chat" items={[
          { label: 'Copy the last answer', icon: 'copy', onSelect: () => void copyLast(one) },
          { label: 'Delete this chat', icon: 'trash', danger: true, onSelect: () => void deleteChat({ id: one.id, title }) },
        ]} />
      )}
    </header>
  );
}

function Notices() {
  const isLow = wallet.value?.lowBalance === true;
  return (
    <div class="chat-notices">
      {chatsProblem.value !== null && <Callout kind="error">{chatsProblem.value}</Callout>}
      {notices.value.map(notice => <Callout key={notice.id} kind={notice.level ?? 'info'}>{notice.text}</Callout>)}
      {isLow && notices.value.length === 0 && <Callout kind="warning" actions={<Button onPress={() => go('#/wallet')}>Open the wallet</Button>}>The wallet is nearly empty.</Callout>}
    </div>
  );
}

function Welcome() {
  return (
    <div class="chat-empty">
      <div class="welcome">
        <Mark size={60} />
        <h2>What would you like to know?</h2>
        <p>Each question is paid with a blind token. Whoever sold it cannot tell that it is yours, and whoever answers does not learn who asks.</p>
        <p class="muted">{chats.value === 'kept' ? 'Chats stay on this machine, encrypted.' : 'Chats are not kept: they are gone when the app ends.'}</p>
      </div>
    </div>
  );
}

async function copyLast(one: OpenConversation | null): Promise<void> {
  const last = [...one?.path.peek() ?? []].reverse().map(id => one!.tree.get(id)!.peek()).find(message => message.role === 'assistant' && message.text !== '');
  if (last === undefined) {
    toast('There is no answer to copy yet.');
    return;
  }
  await navigator.clipboard.writeText(last.text).then(() => toast('Copied.'), () => toast('The browser does not let this page copy.', 'error'));
}
