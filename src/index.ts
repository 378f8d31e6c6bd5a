/** What programs that use a nursery import. */
export { ArakoonClient, type ArakoonOptions } from './client/arakoon-client.ts';
export type {
  Bytes,
  CallOptions,
  RangeOptions,
  ReadOptions,
  RevRangeOptions,
  Step,
} from './client/commands.ts';
export { type ConnectOptions, NurseryClient } from './client/nursery-client.ts';
export { type ErrorCode, NurseryError, TRAITS, type Traits } from './errors.ts';
export { USER_KEY_MAX, VALUE_MAX } from './limits.ts';
export type { Version } from './protocol/replies.ts';
export type { Consistency } from './protocol/requests.ts';
export type { Field } from './protocol/statistics.ts';
