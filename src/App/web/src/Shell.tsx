import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { ChatPage } from './chat/ChatPage';
import { Sidebar } from './chat/Sidebar';
import { summary } from './store';
import { connection, isReady, mode } from './store';
import { KeysPage } from './keys/KeysPage';
import { route } from './router';
import { SettingsPage } from './settings/SettingsPage';
import { SetupPage } from './setup/SetupPage';
import { useShortcuts } from './shortcuts';
import { IconButton } from './ui/controls';
import { Dialogs } from './ui/dialog';
import { Mark } from './ui/icons';
import { Toasts } from './ui/toast';
import { WalletPage } from './wallet/WalletPage';

const narrow = matchMedia('(max-width: 52rem)');
/** On a narrow screen the sidebar lies over the rest, and goes once it has been used. */
const isNarrow = signal(narrow.matches);
export const isSidebarOpen = signal(!narrow.matches);
narrow.addEventListener('change', () => {
  isNarrow.value = narrow.matches;
  isSidebarOpen.value = !narrow.matches;
});

export function leaveSidebar(): void {
  if (isNarrow.peek()) {
    isSidebarOpen.value = false;
  }
}

export function Shell() {
  if (!isReady.value) {
    return <Waiting />;
  }
  const at = route.value;
  if (mode.value === 'setup' || at.page === 'setup') {
    return <><Gone /><SetupPage /><Dialogs /><Toasts /></>;
  }
  return <Inside />;
}

function Inside() {
  useShortcuts();
  const at = route.value;
  const place = at.page === 'chat' ? `chat:${at.conversation ?? ''}` : at.page;
  const title = titleOf();
  useEffect(() => { document.title = title === 'Tacit' ? title : `${title} · Tacit`; }, [title]);
  useFocusOnArrival(at.page);
  return (
    <div class={isSidebarOpen.value ? 'shell' : 'shell is-narrow'} data-place={place}>
      <nav aria-label="Skip"><a class="skip-link" href={location.hash || '#/'} onClick={event => { event.preventDefault(); document.querySelector<HTMLElement>('#main')?.focus(); }}>Skip to the content</a></nav>
      <Sidebar />
      <button type="button" class="scrim" tabIndex={-1} aria-label="Close the list of chats" onClick={leaveSidebar} />
      <main class="main" id="main" tabIndex={-1} inert={isNarrow.value && isSidebarOpen.value}>
        <Gone />
        {at.page !== 'chat' && !isSidebarOpen.value && <div class="topbar"><SidebarButton /></div>}
        <div class="stage-area">{page()}</div>
      </main>
      <Dialogs />
      <Toasts />
    </div>
  );
}

function page() {
  const at = route.value;
  switch (at.page) {
    case 'wallet': return <WalletPage />;
    case 'settings': return <SettingsPage />;
    case 'keys': return <KeysPage />;
    case 'chat': return <ChatPage conversation={at.conversation} />;
    default: return null;
  }
}

function titleOf(): string {
  const at = route.value;
  switch (at.page) {
    case 'wallet': return 'Wallet';
    case 'settings': return 'Settings';
    case 'keys': return 'Local keys';
    case 'chat': return at.conversation === null ? 'Tacit' : summary(at.conversation)?.title || 'Tacit';
    default: return 'Tacit';
  }
}

/** After a change of page the focus is at its heading, so that a screen reader begins there. */
function useFocusOnArrival(name: string): void {
  const isFirst = useRef(true);
  useEffect(() => {
    if (!isFirst.current && name !== 'chat') {
      document.querySelector<HTMLElement>('#main h1')?.focus();
    }
    isFirst.current = false;
  }, [name]);
}

/** The focus goes with the button: it is in the sidebar while that is there, and beside the title while it is not. */
export function toggleSidebar(): void {
  isSidebarOpen.value = !isSidebarOpen.value;
  // After the next frame: until then the one is inert, and the other not yet visible.
  requestAnimationFrame(() => requestAnimationFrame(() =>
    document.querySelector<HTMLElement>(isSidebarOpen.peek() ? '.sidebar-head .icon-button[aria-label^="Hide"]' : '.topbar .icon-button')?.focus()));
}

export function SidebarButton() {
  return (
    <IconButton icon={isNarrow.value ? 'menu' : 'sidebar'} label={isSidebarOpen.value ? 'Hide the list of chats' : 'Show the list of chats'} onPress={toggleSidebar} />
  );
}

function Gone() {
  return <div role="status">{connection.value === 'gone' && isReady.value && <div class="banner">The app does not answer. Start it again with “tacit”; this page goes on by itself.</div>}</div>;
}

function Waiting() {
  return (
    <div class="loading">
      <div role="status">
        <Mark size={56} />
        {connection.value === 'gone' && <p>The app does not answer. Start it with “tacit”; this page goes on by itself.</p>}
      </div>
    </div>
  );
}
