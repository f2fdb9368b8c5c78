// The text of a PDF, taken out in a worker of this page. Nothing is drawn, no script of the document runs, and nothing is fetched for it.
import { getDocument, GlobalWorkerOptions } from 'pdfjs-dist/build/pdf.min.mjs';

const longest = 4_000_000;

interface TrustedTypes { createPolicy(name: string, rules: { createScriptURL: (address: string) => string }): { createScriptURL(address: string): string } }

let worker: Worker | null = null;

function startWorker(): Worker {
  if (worker === null) {
    const named = document.querySelector<HTMLMetaElement>('meta[name=tacit-pdf-worker]')!.content;
    const createScriptURL = (address: string): string => {
      if (!/^\/assets\/pdf-worker-[A-Z0-9]+\.js$/.test(address)) {
        throw new TypeError('Not the worker of this page.');
      }
      return address;
    };
    const trustedTypes = (window as { trustedTypes?: TrustedTypes }).trustedTypes;
    const address = trustedTypes ? trustedTypes.createPolicy('tacit-worker', { createScriptURL }).createScriptURL(named) : createScriptURL(named);
    worker = new Worker(address, { type: 'module' });
  }
  return worker;
}

export async function textOf(bytes: ArrayBuffer): Promise<string> {
  GlobalWorkerOptions.workerPort = startWorker();
  const task = getDocument({ data: new Uint8Array(bytes), isEvalSupported: false, disableFontFace: true, useSystemFonts: false, useWorkerFetch: false, enableXfa: false, stopAtErrors: false, verbosity: 0 });
  try {
    const document = await task.promise;
    const pages: string[] = [];
    let length = 0;
    for (let number = 1; number <= document.numPages && length < longest; number++) {
      const page = await document.getPage(number);
      const { items } = await page.getTextContent();
      const text = items.map(item => 'str' in item ? item.str + (item.hasEOL ? '\n' : '') : '').join('');
      pages.push(text);
      length += text.length;
      page.cleanup();
    }
    return pages.join('\n\n');
  } catch (error) {
    throw new Error((error as Error).name === 'PasswordException' ? 'This PDF is locked with a password.' : 'This PDF cannot be read.');
  } finally {
    await task.destroy();
  }
}
