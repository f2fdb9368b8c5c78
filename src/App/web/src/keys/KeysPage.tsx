import { Page } from '../ui/controls';

export function KeysPage() {
  return <Page title="Local keys">{null}</Page>;
}
