/** What programs that use a nursery import. */

export { type ErrorCode, NurseryError, TRAITS, type Traits } from './base/errors.ts';
export { USER_KEY_MAX, VALUE_MAX } from './base/limits.ts';
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
export type { Consistency } from './protocol/arakoon/requests.ts';
export type { Field } from './protocol/arakoon/statistics.ts';
export type { Version } from './protocol/arakoon/values.ts';
