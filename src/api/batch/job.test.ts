import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JobSpec } from '../generated/types.ts';
import type { KubeObject } from '../object.ts';
import { Kind } from '../testing/kinds.ts';

const jobs = new Kind('batch', 'Job');
const cronJobs = new Kind('batch', 'CronJob');
const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i:1' }] } };

describe('Job', () => {
  it('gets its defaults and a selector of its own', () => {
    const job = jobs.created({ spec: { template } }, 'once');
    const { template: made, ...spec } = job.spec as JobSpec;
    assert.deepEqual(spec, {
      completions: 1,
      parallelism: 1,
      completionMode: 'NonIndexed',
      suspend: false,
      manualSelector: false,
      backoffLimit: 6,
      podReplacementPolicy: 'TerminatingOrFailed',
      selector: { matchLabels: { 'batch.kubernetes.io/controller-uid': 'u1' } },
    });
    assert.deepEqual(made.metadata?.labels, {
      'batch.kubernetes.io/controller-uid': 'u1',
      'batch.kubernetes.io/job-name': 'once',
      'controller-uid': 'u1',
      'job-name': 'once',
    });
    assert.deepEqual(jobs.behaviour.validateCreate(job), []);
  });

  it('must not restart for ever', () => {
    assert.deepEqual(jobs.createErrors({ spec: { template: { spec: { containers: template.spec.containers } } } }), [
      'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
    ]);
    assert.deepEqual(jobs.createErrors({ spec: { template, parallelism: -1 } }), [
      'spec.parallelism: Invalid value: -1: must be greater than or equal to 0',
    ]);
  });

  it('fixes its template once it runs', () => {
    const old = jobs.created({ spec: { template } });
    const image = (o: KubeObject): void => {
      (o.spec as JobSpec).template.spec!.containers[0]!.image = 'i:2';
    };
    assert.match(jobs.update(old, image).errors.join(), /^spec.template: Invalid value: .*: field is immutable$/);
    assert.deepEqual(jobs.update(jobs.created({ spec: { template, suspend: true } }), image).errors, []);
    assert.deepEqual(jobs.update(old, (o) => ((o.spec as JobSpec).suspend = true)).errors, []);
  });
});

describe('CronJob', () => {
  it('gets its defaults and must have a schedule', () => {
    const { jobTemplate: _job, ...spec } = cronJobs.created({
      spec: { schedule: '* * * * *', jobTemplate: { spec: { template } } },
    }).spec as Record<string, unknown>;
    assert.deepEqual(spec, {
      schedule: '* * * * *',
      concurrencyPolicy: 'Allow',
      suspend: false,
      successfulJobsHistoryLimit: 3,
      failedJobsHistoryLimit: 1,
    });
    assert.deepEqual(cronJobs.createErrors({ spec: { jobTemplate: { spec: { template } } } }), [
      'spec.schedule: Required value',
    ]);
  });
});
