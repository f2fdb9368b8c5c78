/** A whole number of credits; null for no limit; undefined if it is neither. */
export function readCap(text: string): number | null | undefined {
  const trimmed = text.trim();
  return trimmed === '' ? null : /^[1-9]\d{0,11}$/.test(trimmed) ? Number(trimmed) : undefined;
}

export const capError = 'A whole number of credits, or nothing for no limit.';
