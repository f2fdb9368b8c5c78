import { formatNumber } from '../ui/words';

/** Where a size stands between one and a million, each step ten times the one before. */
const place = (size: number): number => Math.min(100, (Math.log10(Math.max(size, 1)) / 6) * 100);

/** How many people a token hides among, and where the user's minimum lies. */
export function Crowd({ size, minimum }: { size: number | null | undefined; minimum: number }) {
  if (size === null || size === undefined) {
    return <p class="hint">Crowd: the issuer has not told yet how many share this plan.</p>;
  }
  const isSmall = size < minimum;
  return (
    <div class={isSmall ? 'crowd small' : 'crowd'}>
      <span class="crowd-text">{size <= 1 ? 'A crowd of one: you' : `Hides among ${formatNumber(size)} people or more`}</span>
      <svg class="crowd-scale" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
        <rect class="track" width="100" height="6" />
        <rect class="bar" width={Math.max(place(size), 2)} height="6" />
        <rect class="minimum" x={Math.min(99, place(minimum))} width="0.8" height="6" />
      </svg>
      {isSmall && <span class="crowd-note">{size <= 1 ? 'Nobody else holds this plan so far, so what is asked with it can only be yours.' : `Few people: below the ${formatNumber(minimum)} that you want at least.`}</span>}
    </div>
  );
}
