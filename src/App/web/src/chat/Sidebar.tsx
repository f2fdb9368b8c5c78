import { useEffect, useRef } from 'preact/hooks';
import { useSignal } from '@preact/signals';
import { api, explain } from '../api';
import { formatNumber, plural } from '../format';
import { address, go, route } from '../router';
import { isSidebarOpen, leaveSidebar, SidebarButton, toggleSidebar } from '../Shell';
import { addShortcuts } from '../shortcuts';
import { conversations, mode, wallet } from '../store';
import { Badge } from '../ui/controls';
import { confirm } from '../ui/dialog';
import { Icon, type IconName, Mark } from '../ui/icons';
import { Menu } from '../ui/menu';
import { toast } from '../ui/toast';
import type { ConversationSummary } from '../wire';
import { groupByAge } from './groups';
import { moreItems } from './transfer';

export function newChat(): void {
  go('#/');
  leaveSidebar();
  requestAnimationFrame(() => document.querySelector<HTMLElement>('#composer')?.focus());
}

export function Sidebar() {
  const field = useRef<HTMLInputElement>(null);
  const text = useSignal('');
  const found = useSignal<readonly ConversationSummary[] | null>(null);

  useEffect(() => addShortcuts(
    { keys: 'Mod+Shift+O', what: 'New chat', run: newChat },
    { keys: 'Mod+K', what: 'Search the chats', run: () => { isSidebarOpen.value = true; requestAnimationFrame(() => field.current?.focus()); } },
    { keys: 'Mod+B', what: 'Show or hide the list of chats', run: toggleSidebar }), []);

  const asked = text.value.trim();
  useEffect(() => {
    if (asked === '') {
      found.value = null;
      return undefined;
    }
    const abort = new AbortController();
    const timer = setTimeout(() => {
      api.get<{ conversations: ConversationSummary[] }>(`/app/conversations?search=${encodeURIComponent(asked)}`, abort.signal)
        .then(answer => { found.value = answer.conversations; }, error => { if (!abort.signal.aborted) { toast(explain(error), 'error'); } });
    }, 150);
    return () => { clearTimeout(timer); abort.abort(); };
  }, [asked]);

  const at = route.value;
  const current = at.page === 'chat' ? at.conversation : null;
  return (
    <nav class="sidebar" aria-label="Chats and pages" inert={!isSidebarOpen.value}
      onKeyDown={event => { if (event.key === 'Escape' && matchMedia('(max-width: 52rem)').matches) { event.stopPropagation(); toggleSidebar(); } }}>
      <div class="sidebar-head">
        <a class="name" href="#/" onClick={leaveSidebar}><Mark size={26} />Tacit</a>
        <Menu label="More for all chats" items={moreItems()} />
        {isSidebarOpen.value && <SidebarButton />}
      </div>
      <div class="sidebar-tools">
        <button type="button" class="button new-chat" onClick={newChat}><Icon name="plus" /><span>New chat</span></button>
        <div class="search">
          <Icon name="search" size={16} />
          <input ref={field} type="search" aria-label="Search the chats" placeholder="Search" value={text.value}
            onInput={event => { text.value = event.currentTarget.value; }}
            onKeyDown={event => { if (event.key === 'Escape' && text.value !== '') { event.stopPropagation(); text.value = ''; } }} />
        </div>
      </div>
      <div class="conversation-list scroll">
        <div class="visually-hidden" role="status">{found.value !== null && `${found.value.length} chats found`}</div>
        {found.value === null ? <AllChats current={current} /> : <FoundChats found={found.value} current={current} />}
      </div>
      <div class="sidebar-foot">
        {mode.value !== 'device' && <SideLink page="wallet" icon="wallet" label="Wallet" end={<Balance />} />}
        <SideLink page="keys" icon="key" label="Local keys" />
        <SideLink page="settings" icon="settings" label="Settings" />
      </div>
    </nav>
  );
}

function AllChats({ current }: { current: string | null }) {
  const all = conversations.value;
  if (all.length === 0) {
    return <p class="empty-list">Your chats will be listed here. They are kept on this machine only.</p>;
  }
  return <>{groupByAge(all, new Date()).map(group => (
    <section key={group.name} aria-label={group.name}>
      <h2>{group.name}</h2>
      <ul>{group.items.map(one => <Row key={one.id} one={one} isCurrent={one.id === current} />)}</ul>
    </section>
  ))}</>;
}

function FoundChats({ found, current }: { found: readonly ConversationSummary[]; current: string | null }) {
  return found.length === 0 ? <p class="empty-list">Nothing found.</p> : <ul>{found.map(one => <Row key={one.id} one={one} isCurrent={one.id === current} />)}</ul>;
}

function Row({ one, isCurrent }: { one: ConversationSummary; isCurrent: boolean }) {
  const title = one.title || 'New chat';
  const isRenaming = useSignal(false);
  const rename = async (value: string) => {
    isRenaming.value = false;
    if (value.trim() !== '' && value.trim() !== one.title) {
      await api.patch(`/app/conversations/${encodeURIComponent(one.id)}`, { title: value.trim() }).catch(error => toast(explain(error), 'error'));
    }
  };
  if (isRenaming.value) {
    return (
      <li class="conversation-row">
        <input aria-label="Title of the chat" value={title} ref={input => { if (input && document.activeElement !== input) { input.focus(); input.select(); } }}
          onBlur={event => void rename(event.currentTarget.value)}
          onKeyDown={event => {
            if (event.key === 'Enter') { event.currentTarget.blur(); }
            if (event.key === 'Escape') { event.stopPropagation(); event.currentTarget.value = title; event.currentTarget.blur(); }
          }} />
      </li>
    );
  }
  return (
    <li class={isCurrent ? 'conversation-row is-current' : 'conversation-row'}>
      <a href={address(one.id)} aria-current={isCurrent ? 'page' : undefined} onClick={leaveSidebar}>
        <span class="title"><span>{title}</span>{one.generating && <span class="pulse" role="img" aria-label="is being answered" />}</span>
        {one.snippet && <small>{one.snippet}</small>}
      </a>
      <Menu label={`More for “${title}”`} items={[
        { label: 'Rename', icon: 'edit', onSelect: () => { isRenaming.value = true; } },
        { label: 'Delete', icon: 'trash', danger: true, onSelect: () => void deleteChat(one) },
      ]} />
    </li>
  );
}

export async function deleteChat(one: { id: string; title: string }): Promise<void> {
  if (!await confirm('Delete this chat?', <p>“{one.title || 'New chat'}” will be gone from this machine for good, with its attachments. It is nowhere else.</p>, 'Delete', true)) {
    return;
  }
  try {
    await api.delete(`/app/conversations/${encodeURIComponent(one.id)}`);
    const at = route.value;
    if (at.page === 'chat' && at.conversation === one.id) {
      go('#/', true);
    }
  } catch (error) {
    toast(explain(error), 'error');
  }
}

function SideLink({ page, icon, label, end }: { page: 'wallet' | 'keys' | 'settings'; icon: IconName; label: string; end?: preact.ComponentChildren }) {
  return (
    <a class="side-link" href={`#/${page}`} aria-current={route.value.page === page ? 'page' : undefined} onClick={leaveSidebar}>
      <Icon name={icon} /><span>{label}</span>{end && <span class="end">{end}</span>}
    </a>
  );
}

function Balance() {
  const now = wallet.value;
  return now?.lowBalance ? <Badge kind="warning">low</Badge> : now?.credits != null ? <small class="muted" title={plural(now.credits, 'credit')}>{formatNumber(now.credits)}</small> : null;
}
