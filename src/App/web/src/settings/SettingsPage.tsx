import { api } from '../api';
import { carrier, chats, mode, settings, version } from '../store';
import { useAction } from '../ui/action';
import { Page, Section, Switch } from '../ui/controls';
import { confirm } from '../ui/dialog';
import { Act, Choices, FormFailure } from '../ui/form';
import { Refills } from '../wallet/Refills';
import type { Settings } from '../wire';
import { change } from './change';
import { Defaults } from './Defaults';
import { NumberSetting } from './NumberSetting';
import { TorStatus } from './TorStatus';
import { Transport } from './Transport';

export function SettingsPage() {
  const now = settings.value;
  if (now === null) {
    return <Page title="Settings">{null}</Page>;
  }
  const hasWallet = mode.value === 'wallet';
  return (
    <Page title="Settings">
      <p class="lead">Everything is kept at once, on this computer.</p>
      <Section title="How questions travel"><Transport now={now} /></Section>
      {carrier.value !== null && <Section title="Tor"><TorStatus view={carrier.value} /></Section>}
      <Section title="Chats"><Chats now={now} /></Section>
      <Section title="New chats"><Defaults now={now} /></Section>
      {hasWallet && <Section title="Refills"><Refills /></Section>}
      {hasWallet && <Section title="Crowds and pseudonyms"><Privacy now={now} /></Section>}
      <Section title="This computer"><Others now={now} /></Section>
      <Section title="Look"><Look now={now} /></Section>
      <p class="hint">Tacit {version.value} · {hasWallet && <a href="#/setup">Show the first steps again</a>}</p>
    </Page>
  );
}

function Chats({ now }: { now: Settings }) {
  const remove = useAction(() => api.delete('/app/conversations'));

  async function ask(): Promise<void> {
    if (await confirm('Delete all chats?', 'They are gone for good: from the list, from the file, and from what deleting usually leaves behind on the disk.', 'Delete all', true)) {
      await remove.run();
    }
  }

  async function keep(keepChats: boolean): Promise<void> {
    if (keepChats || await confirm('Keep no chats?', 'Those that are kept now are deleted. New ones last until the app ends.', 'Keep none', true)) {
      await change({ keepChats });
    } else {
      // The switch has moved already: it is shown as it is.
      settings.value = { ...now };
    }
  }

  return (
    <>
      <Switch label="Keep chats" checked={now.keepChats} onChange={value => void keep(value)} hint="On this computer only, encrypted under your wallet's key. Otherwise they are gone when the app ends." />
      <div class="row between">
        <div><h3>Delete all chats</h3><p class="hint">{chats.value === 'kept' ? 'There is no copy to get them back from.' : 'None is kept on the disk now.'}</p></div>
        <Act kind="danger" isBusy={remove.isBusy} onPress={ask}>Delete all</Act>
      </div>
      <FormFailure failure={remove.failure} />
    </>
  );
}

function Privacy({ now }: { now: Settings }) {
  return (
    <>
      <NumberSetting label="Warn of crowds smaller than" value={now.minCrowd} min={0} max={1_000_000_000} onSave={minCrowd => change({ minCrowd })}
        hint="A token hides among all who hold the same plan. With a larger number you are warned more often." />
      <Switch label="Allow pseudonyms" checked={now.allowPseudonyms} onChange={allowPseudonyms => void change({ allowPseudonyms })}
        hint="Some gateways want to tell one asker from another, against abuse. With this they can link your questions to each other; still not to you. Off, such a gateway gets nothing." />
    </>
  );
}

function Others({ now }: { now: Settings }) {
  return (
    <Switch label="Keep this computer's other users out" checked={now.otherUsers === 'refuse'} onChange={isOut => void change({ otherUsers: isOut ? 'refuse' : 'allow' })}
      hint="They reach this address, too. With this they see neither chats nor wallet, where the system tells who asks." />
  );
}

function Look({ now }: { now: Settings }) {
  return (
    <Choices legend="Colours" layout="chips" value={now.theme} onChange={theme => void change({ theme })}
      choices={[{ value: 'system', title: 'As the system' }, { value: 'light', title: 'Light' }, { value: 'dark', title: 'Dark' }]} />
  );
}
