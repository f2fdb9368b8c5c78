// How values are shown.
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { hex } from './bytes';

/** Bytes as a picture, for eyes only: who compares two sees at once whether they have anything to do with each other. */
export function Picture({ bytes, size = 44 }: { bytes: Uint8Array; size?: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const across = bytes.length >= 256 ? 16 : 8;
  const down = Math.ceil(Math.min(bytes.length, 256) / across);
  useEffect(() => {
    const context = canvas.current?.getContext('2d');
    if (context) {
      const image = context.createImageData(across, down);
      bytes.subarray(0, across * down).forEach((byte, i) => image.data.set([14 + byte * .55, 70 + byte * .6, 66 + byte * .5, 255], i * 4));
      context.putImageData(image, 0, 0);
    }
  }, [bytes]);
  return <canvas class="picture" ref={canvas} width={across} height={down} style={{ width: `${size}px`, height: `${(size * down) / across}px` }} aria-hidden="true" />;
}

/** Its beginning, and all of it for whoever wants that. */
export function Hex({ bytes, what }: { bytes: Uint8Array; what: string }) {
  const text = hex(bytes);
  return (
    <details class="hex">
      <summary><code>{text.slice(0, 16)}…</code> <span class="muted">{bytes.length} bytes<span class="visually-hidden"> of {what}: show all</span></span></summary>
      <code class="all">{text}</code>
    </details>
  );
}

export const short = (bytes: Uint8Array): string => `${hex(bytes.subarray(0, 4))}…`;

export function Fact({ name, children, bytes, isNew }: { name: string; children?: ComponentChildren; bytes?: Uint8Array | undefined; isNew?: boolean }) {
  return (
    <div class={`fact${isNew ? ' is-new' : ''}`}>
      <dt>{name}{isNew && <span class="visually-hidden"> (new)</span>}</dt>
      <dd>{bytes ? <div class="bytes"><Picture bytes={bytes} /><Hex bytes={bytes} what={name} /></div> : children}</dd>
    </div>
  );
}
