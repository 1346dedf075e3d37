import { test } from 'node:test';
import { runtimeSuite } from '../runtime-suite.ts';
import { obstacle } from './testing/containerd.ts';
import { openCriRuntime } from './testing/cri-fixture.ts';

const why = obstacle();
if (why === undefined) runtimeSuite('containerd by CRI', () => openCriRuntime());
else test('containerd by CRI', { skip: why }, () => undefined);
