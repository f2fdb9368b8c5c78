// The theme is the app's setting; the browser's copy of it only spares the first frame the wrong colour.
import { signal } from '@preact/signals';

type Theme = 'system' | 'light' | 'dark';
const kept = 'tacit-theme';

export const theme = signal<Theme>('system');

export function applyTheme(value: Theme): void {
  theme.value = value;
  try {
    localStorage.setItem(kept, value);
  } catch {
    // A browser that keeps nothing shows the system's theme for a moment.
  }
  if (value === 'system') {
    delete document.documentElement.dataset.theme;
  } else {
    document.documentElement.dataset.theme = value;
  }
}

export function applyKeptTheme(): void {
  let value: string | null = null;
  try {
    value = localStorage.getItem(kept);
  } catch {
    // As above.
  }
  applyTheme(value === 'light' || value === 'dark' ? value : 'system');
}
