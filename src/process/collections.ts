/** Tells how long the engine stops the process to collect garbage. */
import { constants, type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks';

/** Of the young alone, or of all that is there. */
export type Collection = 'minor' | 'major';

/** Calls `took` after each collection with its duration (ms), until what it returns is called. */
export function watchCollections(took: (ms: number, kind: Collection) => void): () => void {
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) took(entry.duration, kindOf(entry));
  });
  observer.observe({ entryTypes: ['gc'] });
  return () => observer.disconnect();
}

function kindOf(entry: PerformanceEntry): Collection {
  const { detail } = entry as PerformanceEntry & { readonly detail: { readonly kind: number } }; // as entries of this type have it
  return detail.kind === constants.NODE_PERFORMANCE_GC_MINOR ? 'minor' : 'major';
}
