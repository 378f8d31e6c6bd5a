/**
 * A thread beside one that may hang: ends the process where a step has used too much processor time. Not by the clock of the
 * wall: the machine may be busy with something else.
 */
import { parentPort } from 'node:worker_threads';

/** Far above what the longest step needs (ms of processor time). */
const STEP_CPU_MS = 15_000;
const CHECK_MS = 250;

let before = process.cpuUsage();
parentPort?.on('message', () => {
  before = process.cpuUsage();
});
setInterval(() => {
  const { user, system } = process.cpuUsage(before);
  if ((user + system) / 1000 > STEP_CPU_MS) process.kill(process.pid, 'SIGKILL');
}, CHECK_MS).unref();
