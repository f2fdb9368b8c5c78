import { Page } from '../ui/controls';

export function SettingsPage() {
  return <Page title="Settings">{null}</Page>;
}
