import { api } from '../api';
import { useAction } from '../ui/action';
import { Act, FormFailure, Progress, Success } from '../ui/form';
import { tokens } from '../ui/words';

/** Asks the issuer for the tokens that the seed made. */
export function RestoreTokens({ onDone }: { onDone: () => void }) {
  const restore = useAction(() => api.post<{ restored: number }>('/app/wallet/restore-tokens'));
  const restored = restore.result?.restored;
  return (
    <>
      <h2 tabIndex={-1}>Bring your tokens back</h2>
      <p>Your wallet is here again. The issuer can sign once more what you had bought, at no cost. Some of it may be used up already; the wallet finds that out while you ask.</p>
      {restore.isBusy && <Progress label="The issuer signs again what it signed before" />}
      <FormFailure failure={restore.failure} />
      {restored !== undefined && <Success>{restored > 0 ? `${tokens(restored)} came back.` : 'There was nothing to bring back.'}</Success>}
      <div class="form-actions">
        {restored === undefined ? (
          <>
            <Act kind="primary" isBusy={restore.isBusy} onPress={restore.run}>Bring them back</Act>
            <Act kind="quiet" onPress={onDone}>Not now</Act>
          </>
        ) : <Act kind="primary" onPress={onDone}>Continue</Act>}
      </div>
    </>
  );
}
