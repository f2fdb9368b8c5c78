import { Dialog } from '../ui/dialog';

export interface Choice {
  model: string;
  /** Null leaves it to the wallet, which takes the cheapest that serves. */
  plan: string | null;
}

/** Models with their plans, prices and crowds. `onChoose` is followed by `onClose`. */
export function ModelPicker({ onClose }: { current: Choice | null; onChoose: (choice: Choice) => void; onClose: () => void }) {
  return <Dialog title="Model" onClose={onClose}>{null}</Dialog>;
}
