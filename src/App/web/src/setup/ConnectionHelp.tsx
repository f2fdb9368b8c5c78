import { api } from '../api';
import { type Failure, isOf, useAction } from '../ui/action';
import { Callout } from '../ui/controls';
import { Act, FormFailure } from '../ui/form';

/** Failures that another way of connecting helps against. */
const helped = ['tor-exits-refused', 'tor-unavailable', 'tor-needed'];

/** What went wrong on the way to a server; where another way helps, its buttons say what that way costs, and try again by it. */
export function ConnectionHelp({ failure, atFields = [], onRetry }: { failure: Failure | null; atFields?: readonly string[]; onRetry: () => unknown }) {
  const set = useAction(async (settings: object) => {
    await api.put('/app/settings', settings);
    await onRetry();
  });
  if (!isOf(failure, helped)) {
    return <FormFailure failure={failure} atFields={atFields} />;
  }
  const directly = <Act isBusy={set.isBusy} onPress={() => set.run({ transport: 'direct' })}>Connect without Tor</Act>;
  switch (failure!.code) {
    case 'tor-exits-refused':
      return (
        <Callout kind="warning" actions={<><Act kind="primary" isBusy={set.isBusy} onPress={() => set.run({ torExits: true })}>Reach it over Tor</Act>{directly}</>}>
          <strong>This address lies outside the Tor network.</strong> Tor can still reach it and hide where you are; the last computer on the way then sees which server is asked, and not by whom. Without Tor, the servers that you use see your network
          address.
        </Callout>
      );
    case 'tor-needed':
      return (
        <Callout kind="warning" actions={<Act kind="primary" isBusy={set.isBusy} onPress={() => set.run({ transport: null })}>Use Tor</Act>}>
          <strong>Only Tor reaches this address,</strong> as it ends in .onion, and the settings say to do without.
        </Callout>
      );
    default:
      return (
        <Callout kind="warning" actions={<><Act isBusy={set.isBusy} onPress={onRetry}>Try again</Act>{directly}</>}>
          <strong>Tor does not work yet,</strong> which hides where you are. {failure!.message} Without Tor, the servers that you use see your network address and could guess by it who you are.
        </Callout>
      );
  }
}
