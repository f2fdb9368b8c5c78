import type { ConversationSummary } from '../wire';

export interface Group { name: string; items: ConversationSummary[] }

/** By calendar days of the reader's own place; the input is sorted, the newest first. */
export function groupByAge(conversations: readonly ConversationSummary[], now: Date): Group[] {
  const today = new Date(now.getFullYear(), now.getMonth(), now.getDate()).getTime();
  const day = 86_400_000;
  const groups: Group[] = [];
  for (const one of conversations) {
    const at = new Date(one.updated).getTime();
    const name = at >= today ? 'Today' : at >= today - day ? 'Yesterday' : at >= today - 7 * day ? 'This week' : at >= today - 30 * day ? 'This month' : 'Older';
    const last = groups.at(-1);
    if (last?.name === name) {
      last.items.push(one);
    } else {
      groups.push({ name, items: [one] });
    }
  }
  return groups;
}
