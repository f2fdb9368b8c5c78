import { Button, Callout, CopyButton } from '../ui/controls';
import { Dialog, openDialog } from '../ui/dialog';

/** A model may name any address, to have whoever opens it tell that place that they asked. So the whole of it is shown first, as the browser understands it. */
export function askToOpen(address: string, from?: HTMLElement): void {
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    return;
  }
  if (!/^(https?|mailto):$/.test(url.protocol)) {
    return;
  }
  const shown = from?.textContent?.trim() ?? '';
  const isMail = url.protocol === 'mailto:';
  openDialog(close => (
    <Dialog title={isMail ? 'Write to this address?' : 'Open this address?'} onClose={close} actions={<>
      <Button onPress={close}>Cancel</Button>
      <Button kind="primary" onPress={() => { close(); openOutside(url.href); }}>Open</Button>
    </>}>
      <div class="stack">
        <div class="address-box"><code>{before(url)}<strong>{url.host}</strong>{after(url)}</code><CopyButton text={url.href} label="Copy the address" /></div>
        {shown !== '' && shown !== url.href && shown !== address && <p class="muted">In the reply it reads “{shown.slice(0, 200)}”.</p>}
        {(url.username !== '' || url.password !== '') && <Callout kind="warning">What stands before the @ is not where this goes: it goes to {url.host}.</Callout>}
        <Callout kind="warning">
          {isMail
            ? 'Your mail program opens. Whoever gets the message learns who you are.'
            : 'Your browser opens it by itself, outside of Tacit: that place sees your network address, and the address above may carry parts of this chat.'}
        </Callout>
      </div>
    </Dialog>
  ));
}

const before = (url: URL): string => url.host === '' ? url.href : url.href.slice(0, url.href.indexOf(url.host, url.protocol.length));
const after = (url: URL): string => url.host === '' ? '' : url.href.slice(before(url).length + url.host.length);

/** In the browser's own way, which is told nothing of where it came from. Only after a person pressed a button that says where it leads. */
export function openOutside(address: string): void {
  const link = document.createElement('a');
  link.href = address;
  link.target = '_blank';
  link.rel = 'noopener noreferrer';
  link.referrerPolicy = 'no-referrer';
  link.click();
}
