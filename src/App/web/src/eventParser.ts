/** Server-sent events out of text that comes in pieces of any size (HTML Living Standard §9.2.6; `id` and `retry` are not used here). */
export class EventParser {
  private rest = '';
  private name = '';
  private data: string[] = [];

  push(piece: string): { name: string; data: string }[] {
    const events: { name: string; data: string }[] = [];
    const text = this.rest + piece;
    let start = 0;
    for (;;) {
      const end = text.indexOf('\n', start);
      if (end < 0) {
        break;
      }
      this.line(text.slice(start, text[end - 1] === '\r' && end > start ? end - 1 : end), events);
      start = end + 1;
    }
    this.rest = text.slice(start);
    return events;
  }

  private line(line: string, events: { name: string; data: string }[]): void {
    if (line === '') {
      if (this.data.length > 0) {
        events.push({ name: this.name || 'message', data: this.data.join('\n') });
      }
      this.name = '';
      this.data = [];
      return;
    }
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (field === 'event') {
      this.name = value;
    } else if (field === 'data') {
      this.data.push(value);
    }
  }
}
