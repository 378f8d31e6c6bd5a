/** Tells how long the engine stops the process to collect garbage. */
import { PerformanceObserver } from 'node:perf_hooks';

/** Calls `took` after each collection with its duration (ms), until what it returns is called. */
export function watchCollections(took: (ms: number) => void): () => void {
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) took(duration);
  });
  observer.observe({ entryTypes: ['gc'] });
  return () => observer.disconnect();
}
