import { Page } from '../ui/controls';

/** The first run. Shown instead of everything else while there is no wallet. */
export function SetupPage() {
  return <Page title="Welcome">{null}</Page>;
}
