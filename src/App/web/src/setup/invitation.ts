/** What an operator hands out: where the issuer is and by which key it is known; a voucher may come with it. Or a gateway of one's own. */
export interface Invitation {
  issuer?: string | undefined;
  gateway?: string | undefined;
  key?: string | undefined;
  pin?: string | undefined;
  voucher?: string | undefined;
}

const keyForm = /(?<![\w-])(?:[0-9a-fA-F]{64}|[\w-]{43})(?![\w-])/;
const voucherForm = /(?<![\w-])[0-9A-TV-Za-tv-z]{4}(?:-[0-9A-TV-Za-tv-z*~$=]{1,5}){4,8}(?![\w-])/;
const addressForm = /https?:\/\/[^\s<>"'?#]+/i;

/**
 * Reads `tacit:?issuer=…&key=…&voucher=…` (also behind the # of a web page, and with `gateway` in the issuer's place), or any text in which an address and a key
 * stand beside each other, as in a message. Nothing is fetched.
 */
export function readInvitation(text: string): Invitation {
  const parameters = /(?:tacit:|[?#])\S*?((?:issuer|gateway)=\S+)/i.exec(text);
  if (parameters) {
    const found = new URLSearchParams(parameters[1]);
    const get = (name: string) => found.get(name)?.trim() || undefined;
    return { issuer: clean(get('issuer')), gateway: clean(get('gateway')), key: get('key'), pin: get('pin'), voucher: get('voucher') };
  }
  const address = addressForm.exec(text)?.[0];
  const rest = address ? text.replace(address, ' ') : text;
  return { issuer: clean(address), key: keyForm.exec(rest)?.[0], voucher: voucherForm.exec(rest)?.[0] };
}

export const isKey = (text: string) => /^(?:[0-9a-fA-F]{64}|[\w-]{43})$/.test(text.trim());

/** An address as people type it: without `https://`, with a slash at its end. */
export function toAddress(text: string): string | null {
  const trimmed = text.trim().replace(/[.,;]+$/, '');
  if (trimmed === '') {
    return null;
  }
  const local = /^(localhost|127\.|\[::1\])/i.test(trimmed);
  const onion = /^[a-z2-7]{56}\.onion/i.test(trimmed);
  const whole = /^https?:\/\//i.test(trimmed) ? trimmed : `${local || onion ? 'http' : 'https'}://${trimmed}`;
  try {
    const url = new URL(whole);
    return url.hostname.includes('.') || local || url.hostname === '[::1]' ? url.href.replace(/\/$/, '') : null;
  } catch {
    return null;
  }
}

const clean = (address: string | undefined) => (address === undefined ? undefined : (toAddress(address) ?? undefined));
