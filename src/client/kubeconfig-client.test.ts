import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startTestApiserver, type TestApiserver } from '../apiserver/testing/test-apiserver.ts';
import { Secret } from '../lib/secret.ts';
import { kubeconfig } from '../pki/kubeconfig.ts';
import { readKubeconfig } from '../pki/read-kubeconfig.ts';
import { testAuthority } from '../pki/testing/test-peers.ts';
import { kubeconfigClient } from './kubeconfig-client.ts';

let api: TestApiserver;
before(async () => {
  api = await startTestApiserver({ tokenFile: 'a-token,ann,1\n' });
});
after(() => api.close());

const SELF = '/apis/authentication.k8s.io/v1/selfsubjectreviews';

async function whoAmI(config: Parameters<typeof kubeconfigClient>[0]): Promise<string> {
  const client = kubeconfigClient(config, 'test');
  try {
    const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
    const answer = await client.json<{ status: { userInfo: { username: string } } }>('POST', SELF, body);
    return answer.status.userInfo.username;
  } finally {
    client.close();
  }
}

async function adminConfig(caPem = api.pki.clusterCa.certificatePem) {
  const path = join(api.directory, 'kubeconfig');
  const identity = api.identity('admin', ['system:masters']);
  writeFileSync(path, kubeconfig({ server: api.url, caPem, identity }));
  return readKubeconfig(path);
}

test('a client out of a kubeconfig is who the kubeconfig says', async () => {
  const admin = await adminConfig();
  assert.equal(await whoAmI(admin), 'admin');
  const { identity: _, ...nobody } = admin;
  // Nobody but superusers may do anything here: the token is known, and the other is not.
  await assert.rejects(whoAmI({ ...nobody, token: new Secret('a-token') }), { code: 'Forbidden' });
  await assert.rejects(whoAmI({ ...nobody, token: new Secret('b-token') }), { code: 'Unauthorized' });
});

test('it talks to nobody but the server that the kubeconfig names', async () => {
  await assert.rejects(whoAmI(await adminConfig(testAuthority('other').certificatePem)), {
    code: 'ServiceUnavailable',
  });
  const admin = await adminConfig();
  await assert.rejects(whoAmI({ ...admin, serverName: 'example.org' }), { code: 'ServiceUnavailable' });
});
