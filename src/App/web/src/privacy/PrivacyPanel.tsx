import { Dialog } from '../ui/dialog';

/** Who saw what of one conversation. */
export function PrivacyPanel({ onClose }: { conversation: string; onClose: () => void }) {
  return <Dialog title="Privacy" kind="panel" onClose={onClose}>{null}</Dialog>;
}
