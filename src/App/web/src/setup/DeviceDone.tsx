import { go } from '../router';
import { Act, CopyLine } from '../ui/form';

/** The device's key, for the server's list. */
export function DeviceDone({ device }: { device: string }) {
  return (
    <>
      <h2 tabIndex={-1}>Let this device in</h2>
      <p>The server answers only devices on its list. Give this key to whoever runs it; it is no secret.</p>
      <CopyLine label="This device" value={device} />
      <p>If you run it yourself, type this there:</p>
      <CopyLine label="Command" value={`tacit gateway devices add ${device} laptop`} />
      <div class="form-actions">
        <Act kind="primary" onPress={() => go('#/')}>It is on the list: ask something</Act>
      </div>
    </>
  );
}
