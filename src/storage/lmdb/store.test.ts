import { systemClock } from '../../lib/clock.ts';
import { silentLog } from '../../lib/log.ts';
import { storeSuite } from '../store-suite.ts';
import { openLmdbStore } from './store.ts';

storeSuite('the LMDB store', (directory) => openLmdbStore({ directory, clock: systemClock, log: silentLog }));
