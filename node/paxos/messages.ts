/** What members say to each other. */

import type { Coded } from '../../src/protocol/codec.ts';
import { struct, union } from '../../src/protocol/codec.ts';

export const messageCodec = union({
  placeholder: [1, struct({})],
});
export type Message = Coded<typeof messageCodec>;
