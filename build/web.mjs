// What the builds of pages share.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

/** Puts the brotli and gzip form of each file in a folder beside it, but of those that are compressed already. */
export function compress(folder, isQuick = false) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      compress(path, isQuick);
    } else if (!/\.(png|br|gz)$/.test(entry.name)) {
      const bytes = readFileSync(path);
      // The last step of brotli takes a second for a megabyte, and this is built once: but not while somebody watches.
      const quality = isQuick ? 1 : constants.BROTLI_MAX_QUALITY;
      writeFileSync(`${path}.br`, brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: quality, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }));
      writeFileSync(`${path}.gz`, gzipSync(bytes, { level: isQuick ? 1 : 9 }));
    }
  }
}
