import { api, explain } from '../api';
import { settings } from '../store';
import { toast } from '../ui/toast';
import type { Settings } from '../wire';

/** Keeps a setting at once. It is shown as it is set meanwhile, and as it was if the app refuses it. */
export async function change(part: Partial<Settings>): Promise<boolean> {
  const before = settings.value;
  if (before !== null) {
    settings.value = { ...before, ...part };
  }
  try {
    const now = await api.put<Settings | undefined>('/app/settings', part);
    if (now) {
      settings.value = now;
    }
    return true;
  } catch (error) {
    settings.value = before;
    toast(explain(error), 'error');
    return false;
  }
}
