// Amounts, days and waits as a person says them.
import { formatNumber, plural } from '../format';

const days = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeZone: 'UTC' });

/** A day as issuer and gateway count it: UTC. */
export const utcDay = (iso: string): string => days.format(new Date(iso));

export const credits = (amount: number): string => plural(amount, 'credit');

export const tokens = (amount: number): string => plural(amount, 'token');

/** "in 3 days", "in 2 hours". */
export function fromNow(iso: string, now = Date.now()): string {
  const minutes = Math.round((new Date(iso).getTime() - now) / 60_000);
  if (minutes < 60) {
    return minutes < 2 ? 'any moment' : `in ${minutes} minutes`;
  }
  const hours = Math.round(minutes / 60);
  return hours < 36 ? (hours === 1 ? 'in an hour' : `in ${hours} hours`) : `in ${Math.round(hours / 24)} days`;
}

/** What a limit in bytes means to a person: about so many printed pages. */
export const pages = (bytes: number): string => `about ${plural(Math.max(1, Math.round(bytes / 2500)), 'page')}`;

/** The beginning of a long value, enough to compare by eye. */
export const brief = (value: string, length = 12): string => (value.length <= length + 1 ? value : `${value.slice(0, length)}…`);

/** An amount of an offer, which comes in the currency's smallest unit, in the currency's own form. */
export function money(amount: number, currency: string): string {
  const format = new Intl.NumberFormat(undefined, { style: 'currency', currency });
  return format.format(amount / 10 ** (format.resolvedOptions().maximumFractionDigits ?? 2));
}

export { formatNumber, plural };
