// Builds the page: node build.mjs [--out DIR] [--watch] [--sizes], or the tests of its parts: node build.mjs --test. Each file gets its brotli and gzip form beside it.
import { build, context } from 'esbuild';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compress } from '../../../build/web.mjs';

const root = dirname(fileURLToPath(import.meta.url));
process.chdir(root);
const argument = name => process.argv.includes(name);
const value = (name, otherwise) => argument(name) ? process.argv[process.argv.indexOf(name) + 1] : otherwise;
const isWatching = argument('--watch');

const shared = {
  bundle: true,
  format: 'esm',
  target: ['chrome110', 'firefox115', 'safari16.4'],
  charset: 'utf8',
  jsx: 'automatic',
  jsxImportSource: 'preact',
  legalComments: 'none',
  logLevel: 'warning',
};

if (argument('--test')) {
  test();
} else {
  await page(resolve(value('--out', 'dist')));
}

async function page(out) {
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const options = {
    ...shared,
    entryPoints: { main: 'src/main.tsx', 'pdf-worker': 'src/chat/pdfWorker.ts' },
    outdir: join(out, 'assets'),
    entryNames: '[name]-[hash]',
    chunkNames: '[name]-[hash]',
    splitting: true,
    minify: !isWatching,
    sourcemap: isWatching ? 'inline' : false,
    metafile: true,
    define: { 'process.env.NODE_ENV': '"production"' },
    plugins: [{ name: 'finish', setup: b => b.onEnd(result => result.metafile && finish(out, result.metafile)) }],
  };
  if (isWatching) {
    await (await context(options)).watch();
  } else {
    await build(options);
  }
}

/** The document names the files of this build; what the first screen needs is fetched at once and not one after the other. */
function finish(out, metafile) {
  const outputs = Object.fromEntries(Object.entries(metafile.outputs).map(([path, info]) => [relative(out, resolve(path)).replaceAll('\\', '/'), info]));
  const main = Object.keys(outputs).find(path => outputs[path].entryPoint === 'src/main.tsx');
  const style = relative(out, resolve(outputs[main].cssBundle)).replaceAll('\\', '/');
  const first = new Set();
  const follow = path => {
    first.add(path);
    for (const imported of outputs[path].imports.filter(i => i.kind === 'import-statement')) {
      const next = relative(out, resolve(imported.path)).replaceAll('\\', '/');
      if (!first.has(next)) {
        follow(next);
      }
    }
  };
  follow(main);
  const preloads = [...first].filter(path => path !== main).map(path => `<link rel="modulepreload" href="/${path}">`);
  const worker = Object.keys(outputs).find(path => outputs[path].entryPoint === 'src/chat/pdfWorker.ts');
  writeFileSync(
    join(out, 'index.html'),
    readFileSync('static/index.html', 'utf8')
      .replace('<!-- files -->', [`<link rel="stylesheet" href="/${style}">`, ...preloads, `<script type="module" src="/${main}"></script>`].join('\n  '))
      .replace('%worker%', `/${worker}`));
  for (const name of readdirSync('static').filter(name => name !== 'index.html')) {
    cpSync(join('static', name), join(out, name));
  }
  compress(out, isWatching);
  if (argument('--sizes')) {
    const bytes = path => readFileSync(join(out, `${path}.br`)).length;
    const rows = Object.keys(outputs).map(path => [path, outputs[path].bytes, bytes(path), first.has(path) || path === style ? 'at once' : 'when needed']);
    console.table(rows.map(([file, plain, brotli, when]) => ({ file: basename(file), plain, brotli, when })));
    console.log(`script loaded at once: ${[...first].reduce((sum, path) => sum + bytes(path), 0)} bytes compressed`);
  }
}

async function test() {
  const out = mkdtempSync(join(tmpdir(), 'tacit-page-'));
  try {
    const files = readdirSync('test').filter(name => name.endsWith('.test.ts'));
    await build({ ...shared, entryPoints: files.map(name => `test/${name}`), outdir: out, outExtension: { '.js': '.mjs' }, platform: 'node', target: 'node20' });
    const run = spawnSync(process.execPath, ['--test', ...files.map(name => join(out, name.replace(/\.ts$/, '.mjs')))], { stdio: 'inherit' });
    process.exitCode = run.status ?? 1;
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}
