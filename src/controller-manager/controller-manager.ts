import { BootstrapTokenCleaner } from './bootstrap-token-cleaner.ts';
import { ClusterRoleAggregationController } from './cluster-role-aggregation.ts';
import { ClusterTrustPublisher } from './cluster-trust.ts';
import type { Controller, ControllerDependencies } from './controller.ts';
import { CsrApprover } from './csr-approver.ts';
import { CsrCleaner } from './csr-cleaner.ts';
import { CsrSigner } from './csr-signer.ts';
import { DeploymentController } from './deployment.ts';
import { DisruptionController } from './disruption.ts';
import { EndpointsController } from './endpoints.ts';
import { GarbageCollector } from './garbage-collector.ts';
import { NamespaceController } from './namespace.ts';
import { NodeIpamController } from './node-ipam.ts';
import { NodeLifecycleController } from './node-lifecycle.ts';
import { PodCertificateCleaner } from './pod-certificate-cleaner.ts';
import { PodGarbageCollector } from './pod-garbage-collector.ts';
import { PodServingSigner } from './pod-serving-signer.ts';
import { PodServingTrustPublisher } from './pod-serving-trust.ts';
import { ReplicaSetController } from './replica-set.ts';
import { RootCaPublisher } from './root-ca.ts';
import { ServiceAccountController } from './service-account.ts';
import { TaintEvictionController } from './taint-eviction.ts';

const CONTROLLERS: readonly (new (dependencies: ControllerDependencies) => Controller)[] = [
  ServiceAccountController,
  RootCaPublisher,
  BootstrapTokenCleaner,
  ClusterTrustPublisher,
  NodeLifecycleController,
  NodeIpamController,
  TaintEvictionController,
  DisruptionController,
  EndpointsController,
  ReplicaSetController,
  DeploymentController,
  ClusterRoleAggregationController,
  CsrApprover,
  CsrSigner,
  CsrCleaner,
  PodServingSigner,
  PodCertificateCleaner,
  PodServingTrustPublisher,
  NamespaceController,
  PodGarbageCollector,
  GarbageCollector,
];

/** Runs every controller until `signal` aborts; resolves when all have ended. */
export async function runControllerManager(dependencies: ControllerDependencies, signal: AbortSignal): Promise<void> {
  const controllers = CONTROLLERS.map((Kind) => new Kind(dependencies));
  await dependencies.informers.start(signal);
  await Promise.all(controllers.map((c) => c.run(signal)));
}
