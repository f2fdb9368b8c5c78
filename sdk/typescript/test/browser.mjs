// The same in headless Chromium, the page being of another origin than the gateway. Usage: node browser.mjs CHROMIUM TARGET   (prints one JSON line)
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname } from 'node:path';
import { chromium } from 'playwright-core';

const [executablePath, target] = process.argv.slice(2);
const root = new URL('../', import.meta.url);
const types = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript' };
const server = createServer(async ({ url }, response) => {
  try {
    const content = await readFile(new URL(`.${url}`, root));
    response.writeHead(200, { 'content-type': types[extname(url)] ?? 'application/octet-stream' }).end(content);
  } catch {
    response.writeHead(404).end();
  }
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));

const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'] });
try {
  const seen = { errors: [] };
  for (const way of ['streamed', 'bare']) {
    const page = await browser.newPage();
    page.on('pageerror', (error) => seen.errors.push(String(error)));
    await page.goto(`http://127.0.0.1:${server.address().port}/test/browser.html`);
    await page.waitForFunction(() => window.bare !== undefined);
    seen[way] = await page.evaluate(([name, where]) => window[name](where), [way, JSON.parse(target)]);
    await page.close();
  }
  console.log(JSON.stringify(seen));
} finally {
  await browser.close();
  server.close();
}
