// Work that may take a while in all, a few milliseconds in each frame, so that scrolling and typing stay smooth meanwhile.

const budget = 5;
const queue: (() => void)[] = [];
let isAsked = false;

/** Does the work in a frame to come, in the order it was asked for. */
export function inSlices(work: () => void): void {
  queue.push(work);
  ask();
}

function ask(): void {
  if (isAsked || queue.length === 0) {
    return;
  }
  isAsked = true;
  requestAnimationFrame(() => {
    isAsked = false;
    const end = performance.now() + budget;
    while (queue.length > 0 && performance.now() < end) {
      queue.shift()!();
    }
    ask();
  });
}
