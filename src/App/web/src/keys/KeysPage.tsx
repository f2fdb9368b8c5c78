import { useState } from 'preact/hooks';
import { api } from '../api';
import { change } from '../settings/change';
import { address, keys, settings } from '../store';
import { useAction } from '../ui/action';
import { Page, Section, Switch, TextField } from '../ui/controls';
import { Act, CopyLine, Explain, Form, FormFailure } from '../ui/form';
import type { NewLocalKey } from '../wire';
import { KeyRow, spentBy } from './KeyRow';
import { capError, readCap } from './cap';

/** Other programs on this machine: where to point them, and a key with a limit for each. */
export function KeysPage() {
  const openai = address.value;
  const anthropic = openai.replace(/\/v1\/?$/, '');
  const own = keys.value.filter(key => key.kind === 'key');
  const others = keys.value.filter(key => key.kind !== 'key' && key.requests > 0);
  return (
    <Page title="Apps on this computer">
      <p class="lead">Every program that speaks OpenAI's or Anthropic's API can ask through Tacit. Your tokens pay, and what it asks is as hard to link as what you ask here.</p>
      <Section title="Point an app here">
        <p class="hint">In its settings, look for “base URL”, “API endpoint” or “OpenAI-compatible server”. As API key any text works; with a key from below it gets a limit of its own.</p>
        <CopyLine label="OpenAI base URL" value={openai} />
        <CopyLine label="Anthropic base URL" value={anthropic} />
        <Explain term="Examples">
          <p>A program that reads its environment:</p>
          <CopyLine label="OpenAI" value={`OPENAI_BASE_URL=${openai} OPENAI_API_KEY=any some-program`} />
          <CopyLine label="Claude Code" value={`ANTHROPIC_BASE_URL=${anthropic} ANTHROPIC_AUTH_TOKEN=any claude`} />
          <p>Web pages cannot ask: they are kept out, so that none spends your tokens.</p>
        </Explain>
      </Section>
      <Section title="Keys">
        <p class="hint">Give each app its own, and say what it may spend in a day. Days are counted in UTC.</p>
        <NewKey />
        {own.length > 0 && <ul class="key-list">{own.map(key => <KeyRow key={key.id} entry={key} />)}</ul>}
        {settings.value && (
          <Switch label="Only programs with a key may ask" checked={settings.value.requireLocalKeys} onChange={requireLocalKeys => void change({ requireLocalKeys })}
            hint={settings.value.requireLocalKeys ? 'Others are refused.' : 'Off, any program of yours on this computer may ask, with any text as its key.'} />
        )}
      </Section>
      {others.length > 0 && (
        <Section title="Without a key of their own">
          <ul class="key-list">{others.map(entry => <li key={entry.id} class="key"><h3>{entry.name}</h3><p class="hint">{spentBy(entry)}</p></li>)}</ul>
        </Section>
      )}
    </Page>
  );
}

function NewKey() {
  const [name, setName] = useState('');
  const [cap, setCap] = useState('');
  const [isTried, setTried] = useState(false);
  const dailyCap = readCap(cap);
  const create = useAction(() => api.post<NewLocalKey>('/app/keys', { name: name.trim(), dailyCap }));

  async function submit(): Promise<void> {
    setTried(true);
    if (name.trim() !== '' && dailyCap !== undefined && (await create.run()) !== null) {
      setName('');
      setCap('');
      setTried(false);
    }
  }

  return (
    <>
      <Form inline onSubmit={submit}>
        <TextField label="Name of the app" value={name} onInput={setName} placeholder="My editor" error={isTried && name.trim() === '' ? 'Give it a name.' : null} />
        <TextField label="Credits a day" inputMode="numeric" value={cap} onInput={setCap} placeholder="no limit" error={dailyCap === undefined ? capError : null} />
        <Act kind="primary" isBusy={create.isBusy}>Make a key</Act>
      </Form>
      <FormFailure failure={create.failure} />
      {create.result && !create.isBusy && !create.failure && (
        <div class="secret" role="status">
          <h3>The new key</h3>
          <p class="hint">It is shown this once. Paste it into the app as its API key.</p>
          <CopyLine label="Key" value={create.result.key} />
          <div class="form-actions"><Act onPress={create.reset}>I have copied it</Act></div>
        </div>
      )}
    </>
  );
}
