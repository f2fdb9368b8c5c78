import { api, download, explain } from '../api';
import { conversations } from '../store';
import { showShortcuts } from '../shortcuts';
import { plural } from '../format';
import { go } from '../router';
import { confirm } from '../ui/dialog';
import type { MenuItem } from '../ui/menu';
import { toast } from '../ui/toast';

const tell = (error: unknown) => toast(explain(error), 'error');

export function moreItems(): MenuItem[] {
  return [
    { label: 'Export all chats', icon: 'download', hint: 'One file, not encrypted', onSelect: () => void exportAll() },
    { label: 'Import chats', icon: 'upload', onSelect: importFile },
    { label: 'Delete all chats', icon: 'trash', danger: true, disabled: conversations.value.length === 0, onSelect: () => void deleteAll() },
    { label: 'Keyboard shortcuts', icon: 'keyboard', onSelect: showShortcuts },
  ];
}

export async function exportAll(): Promise<void> {
  await download('tacit-chats.json', '/app/export').catch(tell);
}

export function importFile(): void {
  const input = document.createElement('input');
  input.type = 'file';
  input.accept = '.json,application/json';
  input.onchange = async () => {
    const file = input.files?.[0];
    if (file === undefined) {
      return;
    }
    try {
      const answer = await api.post<{ conversations: number }>('/app/import', await file.text());
      toast(`${plural(answer.conversations, 'chat')} imported.`);
    } catch (error) {
      tell(error);
    }
  };
  input.click();
}

export async function deleteAll(): Promise<void> {
  if (await confirm('Delete all chats?', <p>All {conversations.value.length} chats will be gone from this machine for good. They are nowhere else.</p>, 'Delete all', true)) {
    await api.delete('/app/conversations').then(() => go('#/', true), tell);
  }
}
