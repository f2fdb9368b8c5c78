// Runs in a worker, loaded only when somebody attaches a PDF.
import 'pdfjs-dist/build/pdf.worker.min.mjs';
