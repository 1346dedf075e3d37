import { systemClock } from '../../lib/clock.ts';
import { silentLog } from '../../lib/log.ts';
import { storeSuite } from '../store-suite.ts';
import { openLmdbStore, openStore } from './store.ts';

storeSuite('the LMDB store', (directory) => openLmdbStore({ directory, clock: systemClock, log: silentLog }));

// Most of the suite is over before the tables get anything from the journal: once more with tables that get each commit.
storeSuite('the LMDB store, with nothing left in its journal', (directory) =>
  openStore({ directory, clock: systemClock, log: silentLog }, { flushChanges: 1 }),
);
