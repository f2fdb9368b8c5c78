import { useEffect } from 'preact/hooks';
import { Explain } from '../ui/form';
import { loadWays, ways } from './ways';

/** Who sees what on one way. */
export function WayTable({ way }: { way: string }) {
  useEffect(() => void loadWays(), []);
  const found = ways.value?.carrying.find(entry => entry.id === (way === 'default' ? 'tor' : way));
  if (found === undefined) {
    return null;
  }
  return (
    <Explain term="Who sees what this way"><table class="plain way-table">
      <caption class="visually-hidden">Who sees what on this way</caption>
      <thead><tr><th scope="col">Who</th><th scope="col">Sees</th><th scope="col">Does not see</th></tr></thead>
      <tbody>
        {found.seenBy.map(row => (
          <tr key={row.who}><th scope="row">{row.who}</th><td>{row.sees.join(', ') || 'nothing'}</td><td>{row.hidden.join(', ') || '–'}</td></tr>
        ))}
      </tbody>
    </table></Explain>
  );
}
