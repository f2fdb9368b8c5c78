import { useEffect, useState } from 'preact/hooks';
import { api } from '../api';
import { openOutside } from '../markdown/link';
import { useAction } from '../ui/action';
import { Callout, SelectField } from '../ui/controls';
import { Act, FormFailure } from '../ui/form';
import { credits, money } from '../ui/words';
import type { CheckoutView, PricesView } from '../wire';

/** Credits for money. Prices are asked for by a click only, as the issuer sees that somebody looks. */
export function Checkout({ isAsked = false }: { isAsked?: boolean }) {
  const [provider, setProvider] = useState('');
  const prices = useAction(() => api.get<PricesView>('/app/wallet/prices'));
  const checkout = useAction((offer: string) => api.post<CheckoutView>('/app/wallet/checkout', { offer, provider: provider || undefined }));
  const balance = useAction(() => api.post('/app/wallet/refresh-account'));

  useEffect(() => {
    if (isAsked) {
      void prices.run();
    }
  }, []);

  if (prices.result === null) {
    return (
      <div class="form">
        <FormFailure failure={prices.failure} />
        <div class="form-actions"><Act isBusy={prices.isBusy} onPress={prices.run}>{prices.failure ? 'Try again' : 'Show prices'}</Act></div>
      </div>
    );
  }
  const { offers, providers } = prices.result;
  if (offers.length === 0) {
    return <p class="hint">This issuer takes vouchers only.</p>;
  }
  return (
    <div class="form">
      {providers.length > 1 && <SelectField label="Pay with" value={provider || providers[0]!} options={providers.map(name => ({ value: name, label: name }))} onChange={setProvider} />}
      <ul class="offers">
        {offers.map(offer => (
          <li key={offer.id}>
            <span>{credits(offer.credits)}</span>
            <strong>{money(offer.amount, offer.currency)}</strong>
            <Act isBusy={checkout.isBusy} onPress={() => checkout.run(offer.id)} label={`Pay ${money(offer.amount, offer.currency)}`}>Pay</Act>
          </li>
        ))}
      </ul>
      <p class="hint">A card tells the payment company who you are, and the issuer that this account was paid for; neither learns what you will ask. A voucher bought with cash hides even the payment.</p>
      <FormFailure failure={checkout.failure} />
      {checkout.result !== null && !checkout.isBusy && (
        <Callout actions={<>
          <Act kind="primary" onPress={() => openOutside(checkout.result!.url)}>Open {hostOf(checkout.result.url)}</Act>
          <Act isBusy={balance.isBusy} onPress={balance.run}>I have paid: look now</Act>
        </>}>
          The payment page belongs to <strong>{hostOf(checkout.result.url)}</strong> and opens outside Tacit, over your browser's own connection. The {credits(checkout.result.credits)} are there once it has told the issuer, most often within a minute.
        </Callout>
      )}
      <FormFailure failure={balance.failure} />
    </div>
  );
}

function hostOf(url: string): string {
  try {
    return new URL(url).host;
  } catch {
    return 'another site';
  }
}
