// Where the page is, by the address's hash: #/c/ID, #/wallet, #/settings, #/keys, #/setup; nothing is a new chat.
import { signal } from '@preact/signals';

export type Route =
  | { page: 'chat'; conversation: string | null }
  | { page: 'wallet' | 'settings' | 'keys' | 'setup'; rest: string[] };

export const route = signal<Route>(parse(location.hash));

export function parse(hash: string): Route {
  const parts = hash.replace(/^#\/?/, '').split('/').filter(part => part !== '').map(decode);
  switch (parts[0]) {
    case 'wallet':
    case 'settings':
    case 'keys':
    case 'setup':
      return { page: parts[0], rest: parts.slice(1) };
    case 'c':
      return { page: 'chat', conversation: parts[1] ?? null };
    default:
      return { page: 'chat', conversation: null };
  }
}

export function address(conversation: string | null): string {
  return conversation === null ? '#/' : `#/c/${encodeURIComponent(conversation)}`;
}

export function go(hash: string, replace = false): void {
  if (replace) {
    history.replaceState(null, '', hash);
    route.value = parse(hash);
  } else {
    location.hash = hash;
  }
}

export function startRouter(): void {
  addEventListener('hashchange', () => { route.value = parse(location.hash); });
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
