// Whether the secrets of a wallet that this browser made were written down; asked again in the wallet as long as they were not.
import { signal } from '@preact/signals';

const place = 'tacit-to-note';

function read(): boolean {
  try {
    return localStorage.getItem(place) === '1';
  } catch {
    return false;
  }
}

export const isToNote = signal(read());

export function setToNote(value: boolean): void {
  isToNote.value = value;
  try {
    if (value) {
      localStorage.setItem(place, '1');
    } else {
      localStorage.removeItem(place);
    }
  } catch {
    // A browser that keeps nothing reminds nobody.
  }
}
