import { signal } from '@preact/signals';
import { api } from '../api';
import type { WaysView } from '../wire';

/** What each way of carrying questions hides from whom; asked for once, as it never changes while the app runs. */
export const ways = signal<WaysView | null>(null);
let isAsked = false;

export async function loadWays(): Promise<void> {
  if (isAsked) {
    return;
  }
  isAsked = true;
  try {
    ways.value = await api.get<WaysView>('/app/ways');
  } catch {
    // The choice works without the explanation; the next look asks again.
    isAsked = false;
  }
}
