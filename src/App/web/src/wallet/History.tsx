import { useEffect, useState } from 'preact/hooks';
import { api } from '../api';
import { wallet } from '../store';
import { useAction } from '../ui/action';
import { Act, FormFailure } from '../ui/form';
import { credits, plural, tokens, utcDay } from '../ui/words';
import type { HistoryLine, HistoryView } from '../wire';

const shownAtFirst = 7;

/** What happened, by the day: from the wallet's own records, nobody is asked. */
export function History() {
  const [isAll, setAll] = useState(false);
  const history = useAction(() => api.get<HistoryView>('/app/wallet/history'));
  const view = wallet.value;
  useEffect(() => {
    void history.run();
  }, [view]);

  if (history.result === null) {
    return <FormFailure failure={history.failure} actions={<Act onPress={history.run}>Try again</Act>} />;
  }
  const days = byDay(history.result.entries);
  return (
    <>
      <p class="hint">Kept on this computer, by the day and never finer.</p>
      {days.length === 0 && <p>Nothing yet.</p>}
      <ol class="history">
        {(isAll ? days : days.slice(0, shownAtFirst)).map(([day, lines]) => (
          <li key={day}>
            <h3>{utcDay(day)}</h3>
            <ul>{lines.map(line => <li key={`${line.kind} ${line.plan}`}>{told(line)}</li>)}</ul>
          </li>
        ))}
      </ol>
      {!isAll && days.length > shownAtFirst && <Act kind="quiet" onPress={() => setAll(true)}>Show all {plural(days.length, 'day')}</Act>}
    </>
  );
}

function byDay(lines: readonly HistoryLine[]): [string, HistoryLine[]][] {
  const days = new Map<string, HistoryLine[]>();
  for (const line of lines) {
    days.set(line.day, [...(days.get(line.day) ?? []), line]);
  }
  return [...days].sort(([a], [b]) => b.localeCompare(a));
}

function told({ kind, plan, amount }: HistoryLine): string {
  const ofPlan = plan ? ` of ${plan}` : '';
  switch (kind) {
    case 'deposited':
      return `${credits(amount)} added by voucher`;
    case 'bought':
      return `${tokens(amount)}${ofPlan} bought`;
    case 'spent':
      return `${plural(amount, 'question')} asked${plan ? ` with ${plan}` : ''}`;
    case 'exchanged':
      return `${tokens(amount)}${ofPlan} exchanged for fresh ones`;
    case 'restored':
      return `${tokens(amount)}${ofPlan} brought back from the seed`;
    case 'filled-at-prompt':
      return `${plural(amount, 'purchase')} made because a question needed a token, which links the two by time`;
    default:
      return `${kind}: ${amount}${ofPlan}`;
  }
}
