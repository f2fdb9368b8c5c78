import { settings } from '../store';
import { SelectField, Switch } from '../ui/controls';
import { change } from '../settings/change';
import { NumberSetting } from '../settings/NumberSetting';
import { formatNumber, plural } from '../ui/words';
import { standardSizes } from './Fill';

/** When and how much the wallet buys by itself. */
export function Refills() {
  const now = settings.value;
  if (now === null) {
    return null;
  }
  return (
    <>
      <Switch label="Buy ahead" checked={now.autoFill} onChange={value => void change({ autoFill: value })}
        hint="The wallet buys before it runs dry, at times drawn by lot. So no purchase stands beside the question that used it." />
      <Switch label="Buy when a question needs it" checked={now.fillAtPrompt} onChange={fillAtPrompt => void change({ fillAtPrompt })}
        hint="If the wallet has run dry, a question buys tokens first. The purchase then stands beside it in time; the answer says so. Off, the question fails." />
      <NumberSetting label="Buy when fewer are left than" value={now.lowWater} min={0} max={1000} unit="tokens" disabled={!now.autoFill} onSave={lowWater => change({ lowWater })} />
      <SelectField label="Buy at least" value={String(now.batchSize)} disabled={!now.autoFill} options={standardSizes.map(size => ({ value: String(size), label: plural(size, 'token') }))}
        onChange={value => void change({ batchSize: Number(value) })} hint={`Or what a year is likely to need, by what was used lately. At most ${formatNumber(1000)} at once.`} />
    </>
  );
}
