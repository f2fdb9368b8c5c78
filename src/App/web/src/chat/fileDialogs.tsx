import { Dialog } from '../ui/dialog';

export function PictureDialog({ name, address, onClose }: { name: string; address: string; onClose: () => void }) {
  return <Dialog title={name} wide onClose={onClose}><img class="picture-large" src={address} alt={name} /></Dialog>;
}

export function TextDialog({ name, text, onClose }: { name: string; text: string; onClose: () => void }) {
  return <Dialog title={name} wide onClose={onClose}><pre class="file-content" tabIndex={0}>{text}</pre></Dialog>;
}
