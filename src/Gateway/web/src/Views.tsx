// What each side has seen so far, beside each other, and what neither has.
import { inCommon, type Run } from './run';
import { Fact } from './values';

export function Views({ run, step }: { run: Run; step: number }) {
  const { own, directory } = run;
  const token = run.prompt === undefined ? undefined : own?.token;
  return (
    <section class="views" aria-label="What each side has seen">
      <div class="side identity">
        <h2>Issuer and signer saw</h2>
        <p class="who">In real use they know your account and your payment.</p>
        {!own?.blindSignature
          ? <p class="nothing">{directory ? 'That somebody read the directory, as everybody does.' : 'Nothing yet.'}</p>
          : <dl>
              <Fact name="blinded element" bytes={own.blinded.element} isNew={step === 3} />
              <Fact name="blind signature" bytes={own.blindSignature} isNew={step === 3} />
              <Fact name="key" isNew={step === 3}>that of plan {directory!.plan.id}, the same for everybody today</Fact>
              <Fact name="came from" isNew={step === 3}>your address, with what your browser tells of itself</Fact>
            </dl>}
      </div>
      <div class="side secret">
        <h2>Only your browser knows</h2>
        <p class="who">It is sent to nobody.</p>
        {!own
          ? <p class="nothing">Nothing yet.</p>
          : <dl>
              <Fact name="blinding factor (its inverse)" bytes={own.blinded.inverse} isNew={step === 2} />
              {!token && <Fact name="nonce of the token" bytes={own.nonce} isNew={step === 2} />}
              {own.token && !token && <Fact name="the token’s signature" bytes={own.token.signature} isNew={step === 4} />}
              <Fact name="which belongs to which" isNew={step === 2}>that this element and this token are one</Fact>
            </dl>}
      </div>
      <div class="side anonymous">
        <h2>Gateway and provider saw</h2>
        <p class="who">In real use they know no account and, over Tor, no address.</p>
        {!token
          ? <p class="nothing">{run.challenge ? 'That somebody asked without a token, and was refused.' : 'Nothing yet.'}</p>
          : <dl>
              <Fact name="token: nonce" bytes={token.nonce} isNew={step === 5} />
              <Fact name="token: signature" bytes={token.signature} isNew={step === 5} />
              <Fact name="prompt" isNew={step === 5}><q>{run.prompt}</q></Fact>
              {run.second !== undefined && <Fact name="second prompt, refused" isNew={step === 6}><q>{run.second}</q></Fact>}
              <Fact name="on its disk" bytes={run.spendId} isNew={step === 5} />
              <Fact name="came from" isNew={step === 5}>your address, with what your browser tells of itself</Fact>
            </dl>}
      </div>
      {token && (
        <p class="common" role="status">
          <strong>{inCommon(run) === 0 ? 'Nothing in common.' : 'Something is in common!'}</strong> Issuer and signer saw no byte string that the gateway saw, and nothing that can be computed from both leads from one to
          the other. What could link them here is your address, your browser and the time, since this page sends both from one place within a minute. Tacit’s app sends both over Tor, on circuits that have nothing to do
          with each other, tells nothing of itself, and buys long before it asks.
        </p>
      )}
    </section>
  );
}
