/**
 * The library: a whole cluster in this process. `up` resolves when it can be used, and `stop` leaves nothing behind.
 *
 *     const cluster = await up({ dataDirectory: '/tmp/test', bindAddress: '127.0.0.1', securePort: 0, … });
 */
export { type RunningCluster, type UpOptions, up } from './compose/up.ts';
export { CausewayError, type ErrorCode } from './lib/errors.ts';
export { type Log, silentLog } from './lib/log.ts';
