import { runtimeSuite } from '../runtime-suite.ts';
import { openProcessRuntime } from './testing/process-fixture.ts';

runtimeSuite('process runtime', () => openProcessRuntime());
