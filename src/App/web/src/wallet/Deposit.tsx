import { useState } from 'preact/hooks';
import { api } from '../api';
import { failureOf, useAction } from '../ui/action';
import { TextField } from '../ui/controls';
import { Act, Form, FormFailure, Success } from '../ui/form';
import { credits } from '../ui/words';
import type { DepositView } from '../wire';

/** A voucher becomes credits. */
export function Deposit({ code = '' }: { code?: string | undefined }) {
  const [voucher, setVoucher] = useState(code);
  const [isTried, setTried] = useState(false);
  const deposit = useAction(() => api.post<DepositView>('/app/wallet/deposit', { code: voucher.trim() }));

  async function submit(): Promise<void> {
    setTried(true);
    if (voucher.trim() !== '' && (await deposit.run()) !== null) {
      setVoucher('');
      setTried(false);
    }
  }

  return (
    <>
      <Form inline onSubmit={submit}>
        <TextField label="Voucher code" class="mono" value={voucher} onInput={setVoucher} placeholder="XXXX-XXXX-XXXX-…"
          error={isTried && voucher.trim() === '' ? 'Type or paste the code.' : failureOf(deposit.failure, 'voucher-refused')} />
        <Act kind="primary" isBusy={deposit.isBusy}>Add credits</Act>
      </Form>
      <FormFailure failure={deposit.failure} atFields={['voucher-refused']} />
      {deposit.result !== null && deposit.failure === null && !deposit.isBusy && (
        <Success>
          {deposit.result.alreadyDeposited ? 'This voucher was in your account already.' : `${credits(deposit.result.worth)} added.`} You have {credits(deposit.result.credits)}.
        </Success>
      )}
    </>
  );
}
