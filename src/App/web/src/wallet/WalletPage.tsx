import { Page } from '../ui/controls';

export function WalletPage() {
  return <Page title="Wallet">{null}</Page>;
}
