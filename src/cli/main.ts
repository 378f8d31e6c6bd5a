#!/usr/bin/env node

// Behind it, since modules run in the order of their imports.
import { DESCRIPTORS_MIN, descriptorLimit, tooFewDescriptors } from '../process/descriptors.ts';
/**
 * The `nursery` command. It hears signals and knows its limits before anything large is loaded: what is imported statically is
 * read before the first line runs, so that everything else comes by a dynamic import.
 */
import { IS_SERVER } from './first-signals.ts';
import { report } from './report.ts';

try {
  // Commands may do with less than a server; where they do not, the limit has been read while that could be opened.
  if (descriptorLimit() < DESCRIPTORS_MIN && IS_SERVER) throw tooFewDescriptors(descriptorLimit());
  (await import('./command-line.ts')).runCommandLine();
} catch (error) {
  report(error);
}
