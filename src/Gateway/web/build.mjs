// Builds the page: node build.mjs [--out DIR] [--sizes].
import { build } from 'esbuild';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compress } from '../../../build/web.mjs';

process.chdir(dirname(fileURLToPath(import.meta.url)));
const at = process.argv.indexOf('--out');
const out = resolve(at < 0 ? 'dist' : process.argv[at + 1]);
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
const { metafile } = await build({
  bundle: true,
  format: 'esm',
  target: ['chrome110', 'firefox115', 'safari16.4'],
  charset: 'utf8',
  jsx: 'automatic',
  jsxImportSource: 'preact',
  legalComments: 'none',
  logLevel: 'warning',
  entryPoints: { main: 'src/main.tsx' },
  outdir: join(out, 'assets'),
  entryNames: '[name]-[hash]',
  minify: true,
  metafile: true,
  // Where the library looks for Node's random numbers, a browser has its own.
  external: ['crypto'],
});
const files = Object.keys(metafile.outputs).map(path => relative(out, resolve(path)).replaceAll('\\', '/'));
const style = files.find(path => path.endsWith('.css'));
const script = files.find(path => path.endsWith('.js'));
writeFileSync(
  join(out, 'index.html'),
  readFileSync('static/index.html', 'utf8')
    .replace('<!-- files -->', `<link rel="stylesheet" href="/demo/${style}">\n  <script type="module" src="/demo/${script}"></script>`));
for (const name of readdirSync('static').filter(name => name !== 'index.html')) {
  cpSync(join('static', name), join(out, name));
}
cpSync('../../App/web/static/icon.svg', join(out, 'icon.svg'));
compress(out);
if (process.argv.includes('--sizes')) {
  console.table(files.map(file => ({ file, plain: readFileSync(join(out, file)).length, brotli: readFileSync(join(out, `${file}.br`)).length })));
}
