import { api } from '../api';
import { useAction } from '../ui/action';
import { Callout } from '../ui/controls';
import { Act, Explain, FormFailure, Success } from '../ui/form';
import { brief, plural } from '../ui/words';
import type { DirectoryAudit, DirectoryCopy } from '../wire';

/** The comparison of keys that the wallet makes by itself now and then, made now. */
export function Audit() {
  const audit = useAction((resume: boolean) => api.post<DirectoryAudit>('/app/wallet/audit', { resume }));
  return (
    <div class="form">
      <p class="hint">Keys that nobody else has would give your tokens away. This fetches the issuer's directory of keys from the issuer, from the gateways and from mirrors, compares these copies with each other and with the one that is kept here, and follows the chain of all directories before. Nothing of your account is sent with it.</p>
      <div class="form-actions"><Act isBusy={audit.isBusy} onPress={() => audit.run(false)}>Compare the issuer's keys</Act></div>
      <FormFailure failure={audit.failure} />
      {audit.result !== null && !audit.isBusy && !audit.failure && <Result audit={audit.result} onResume={() => audit.run(true)} />}
    </div>
  );
}

function Result({ audit, onResume }: { audit: DirectoryAudit; onResume: () => unknown }) {
  const last = audit.copies[0]?.sequence ?? null;
  return (
    <>
      <Verdict audit={audit} onResume={onResume} />
      {last !== null && <p>{audit.chainProblem ? `The chain of directories breaks: ${audit.chainProblem}.` : audit.chainFrom < last ? `Each directory from number ${audit.chainFrom} to ${last} follows the one before.` : 'It is the issuer\'s first directory.'}</p>}
      <Explain term="What each source showed">
        <table class="plain">
          <caption class="visually-hidden">Copies of the issuer's directory</caption>
          <thead><tr><th scope="col">Source</th><th scope="col">Directory</th><th scope="col">Result</th></tr></thead>
          <tbody>{audit.copies.map((copy, index) => <Row key={index} copy={copy} />)}</tbody>
        </table>
      </Explain>
    </>
  );
}

function Verdict({ audit, onResume }: { audit: DirectoryAudit; onResume: () => unknown }) {
  if (audit.copies.some(copy => copy.isContradiction)) {
    return <Callout kind="error">Copies contradict each other: somebody may have been given keys of their own. Nothing is bought or spent until that is cleared up. Ask the issuer's operator.</Callout>;
  }
  if (!audit.agrees) {
    return <Callout kind="error">{audit.chainProblem ? 'The issuer\'s directory does not follow from those before it. Ask its operator.' : 'The issuer\'s own copy could not be had, so that there is nothing to compare with. Try again later.'}</Callout>;
  }
  if (audit.held && !audit.resumed) {
    return (
      <div role="status">
        <Callout kind="warning" actions={<Act onPress={onResume}>Go on all the same</Act>}>
          Everything agrees now, but earlier: {audit.held}. Nothing is bought or spent because of that. Ask the issuer's operator before you go on.
        </Callout>
      </div>
    );
  }
  const had = audit.copies.filter(copy => copy.sequence !== null && copy.sequence !== undefined).length;
  return <Success>{audit.resumed ? 'Everything agrees now, and the wallet goes on.' : `Everything that could be had agrees: ${had} of ${plural(audit.copies.length, 'source')}.`}</Success>;
}

function Row({ copy }: { copy: DirectoryCopy }) {
  return (
    <tr>
      <th scope="row">{copy.source}</th>
      <td>{copy.sequence === null || copy.sequence === undefined ? '–' : <>{copy.sequence} <code>{brief(copy.hash ?? '')}</code></>}</td>
      <td>{copy.problem ? `${copy.isContradiction ? 'contradicts: ' : ''}${copy.problem}` : 'agrees'}</td>
    </tr>
  );
}
