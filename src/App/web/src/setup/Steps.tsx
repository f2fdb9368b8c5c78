import { useEffect, useRef } from 'preact/hooks';
import { Icon } from '../ui/icons';

/** Where one is. Each new step begins at its heading, for eyes and for screen readers. */
export function Steps({ at, names }: { at: number; names: readonly string[] }) {
  const isFirst = useRef(true);
  useEffect(() => {
    if (isFirst.current) {
      isFirst.current = false;
      return;
    }
    const heading = document.querySelector<HTMLElement>('.setup-card h2');
    heading?.focus();
    document.querySelector('.setup')?.scrollTo({ top: 0 });
  }, [at]);
  return (
    <ol class="steps" aria-label={`Step ${at} of ${names.length}`}>
      {names.map((name, index) => {
        const place = index + 1;
        return (
          <li key={place} class={place === at ? 'step now' : place < at ? 'step done' : 'step'} aria-current={place === at ? 'step' : undefined}>
            <span class="step-number" aria-hidden="true">{place < at ? <Icon name="check" size={14} /> : place}</span>
            <span>{name}</span>
          </li>
        );
      })}
    </ol>
  );
}
