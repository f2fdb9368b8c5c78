import { SidebarButton, isSidebarOpen } from '../Shell';

export function ChatPage({ conversation }: { conversation: string | null }) {
  return (
    <div>
      <div class="topbar">{!isSidebarOpen.value && <SidebarButton />}</div>
      {conversation}
    </div>
  );
}
