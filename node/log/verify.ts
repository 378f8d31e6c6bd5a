/** Reads old segments in the background, so that rot is heard of while peers can still help. */
import type { Disk } from './disk.ts';
import { scanRecords } from './scan.ts';
import { incompleteness, type Segment } from './segment.ts';

export type VerifyOptions = {
  readonly disk: Disk;
  /** Each has a successor. */
  readonly segments: readonly Segment[];
  /** False where it was dropped meanwhile, or the log is closing. */
  readonly isWanted: (segment: Segment) => boolean;
  readonly onWarning: (message: string) => void;
};

/** Verifies one segment after the other. Never rejects: whatever is wrong is a warning, once per segment. */
export async function verifySegments(options: VerifyOptions): Promise<void> {
  for (const segment of options.segments) {
    if (!options.isWanted(segment)) continue;
    try {
      await verify(options, segment);
    } catch (error) {
      if (!options.isWanted(segment)) continue;
      const why = error instanceof Error ? error.message : String(error);
      options.onWarning(`log: ${segment.path} cannot be verified: ${why}`);
    }
  }
}

async function verify({ disk, onWarning }: VerifyOptions, segment: Segment): Promise<void> {
  const file = await disk.open(segment.path, 'read');
  try {
    const end = await scanRecords(file, segment.range, () => undefined);
    if (end.why === 'complete') return;
    onWarning(
      `log damaged: ${segment.path}, offset ${end.offset}: ${incompleteness(end, segment.next ?? end.number)}. ` +
        'This node does not need it, since its store is ahead of it, but cannot serve it to peers that are behind. ' +
        'It goes with the next collapse',
    );
  } finally {
    await file.close();
  }
}
