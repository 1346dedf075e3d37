import { dialerSuite } from '../testing/dialer-suite.ts';
import { directDialer } from './direct-dialer.ts';

dialerSuite('direct', async () => {
  const dialer = directDialer();
  return { dialer, close: () => dialer.close() };
});
