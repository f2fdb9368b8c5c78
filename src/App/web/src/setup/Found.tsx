import type { Failure } from '../ui/action';
import { Act, Facts, FormFailure } from '../ui/form';
import { brief, credits } from '../ui/words';
import type { SetupTrial } from '../wire';

/** What an issuer says of itself, before anything is made. */
export function Found({ trial, issuer, directoryKey, isBusy, failure, onBack, onGo }: {
  trial: SetupTrial; issuer: string; directoryKey: string; isBusy: boolean; failure: Failure | null; onBack: () => void; onGo: () => unknown;
}) {
  const models = [...new Set(trial.plans.flatMap(plan => plan.models))];
  const cheapest = trial.plans.filter(plan => plan.kind === 'request').sort((a, b) => a.price - b.price)[0];
  return (
    <div class="form">
      <div>
        <h3>{trial.name} answers</h3>
        <p class="hint">What it says is signed with the key you gave: it is the real one.</p>
      </div>
      <Facts
        facts={[
          { name: 'Models', value: models.length === 0 ? 'none right now' : models.slice(0, 6).join(', ') + (models.length > 6 ? ` and ${models.length - 6} more` : '') },
          { name: 'A question', value: cheapest ? `from ${credits(cheapest.price)}` : 'by subscription' },
          { name: 'Questions go to', value: trial.gateways.join(', ') || 'no gateway yet' },
          { name: 'Address', value: issuer, isCode: true },
          { name: 'Directory key', value: brief(directoryKey, 20), isCode: true },
        ]}
      />
      <FormFailure failure={failure} />
      <div class="form-actions">
        <Act kind="primary" isBusy={isBusy} onPress={onGo}>Make my wallet</Act>
        <Act kind="quiet" onPress={onBack}>Back</Act>
      </div>
      <p class="hint">The wallet is a file on this computer. The issuer gives you an account number; nobody asks for a name, an e-mail address or a phone number.</p>
    </div>
  );
}
