/**
 * How lists, maps and structs merge: what strategic merge patch and server-side apply need and no package states. One line a field:
 * `<group>.<version>.<type>.<field>`, then `map=<keys>` or `set` or `atomic` (list type), `mapType=`, `patch=<strategies>` and `key=`
 * (patch merge key, where it is not the first of the map keys). A list that is not named here is atomic, but for the `items` of a
 * list kind, which has no type.
 */
export const mergeKeyTable = `
admissionregistration.v1.MutatingAdmissionPolicySpec.matchConditions map=name patch=merge
admissionregistration.v1.MutatingWebhook.matchConditions map=name patch=merge
admissionregistration.v1.MutatingWebhookConfiguration.webhooks map=name patch=merge
admissionregistration.v1.ValidatingAdmissionPolicyBindingSpec.validationActions set
admissionregistration.v1.ValidatingAdmissionPolicySpec.matchConditions map=name patch=merge
admissionregistration.v1.ValidatingAdmissionPolicySpec.variables map=name patch=merge
admissionregistration.v1.ValidatingAdmissionPolicyStatus.conditions map=type
admissionregistration.v1.ValidatingWebhook.matchConditions map=name patch=merge
admissionregistration.v1.ValidatingWebhookConfiguration.webhooks map=name patch=merge
apps.v1.DaemonSetStatus.conditions map=type patch=merge
apps.v1.DeploymentSpec.strategy patch=retainKeys
apps.v1.DeploymentStatus.conditions map=type patch=merge
apps.v1.ReplicaSetStatus.conditions map=type patch=merge
apps.v1.StatefulSetStatus.conditions map=type patch=merge
autoscaling.v2.HorizontalPodAutoscalerStatus.conditions map=type patch=merge
batch.v1.JobStatus.conditions atomic patch=merge key=type
batch.v1.PodFailurePolicyOnExitCodesRequirement.values set
batch.v1.UncountedTerminatedPods.failed set
batch.v1.UncountedTerminatedPods.succeeded set
certificates.v1.CertificateSigningRequestStatus.conditions map=type
certificates.v1beta1.PodCertificateRequestStatus.conditions map=type patch=merge
core.v1.ComponentStatus.conditions map=type patch=merge
core.v1.Container.env map=name patch=merge
core.v1.Container.ports map=containerPort,protocol patch=merge
core.v1.Container.volumeDevices map=devicePath patch=merge
core.v1.Container.volumeMounts map=mountPath patch=merge
core.v1.ContainerRestartRuleOnExitCodes.values set
core.v1.ContainerStatus.allocatedResourcesStatus map=name patch=merge
core.v1.ContainerStatus.volumeMounts map=mountPath patch=merge
core.v1.EphemeralContainer.env map=name patch=merge
core.v1.EphemeralContainer.ports map=containerPort,protocol patch=merge
core.v1.EphemeralContainer.volumeDevices map=devicePath patch=merge
core.v1.EphemeralContainer.volumeMounts map=mountPath patch=merge
core.v1.NamespaceStatus.conditions map=type patch=merge
core.v1.NodeAllocatableResourceClaimStatus.containers set
core.v1.NodeSpec.podCIDRs set patch=merge
core.v1.NodeStatus.addresses map=type patch=merge
core.v1.NodeStatus.conditions map=type patch=merge
core.v1.PersistentVolumeClaimStatus.allocatedResourceStatuses mapType=granular
core.v1.PersistentVolumeClaimStatus.conditions map=type patch=merge
core.v1.PersistentVolumeSpec.claimRef mapType=granular
core.v1.PodSpec.containers map=name patch=merge
core.v1.PodSpec.ephemeralContainers map=name patch=merge
core.v1.PodSpec.hostAliases map=ip patch=merge
core.v1.PodSpec.imagePullSecrets map=name patch=merge
core.v1.PodSpec.initContainers map=name patch=merge
core.v1.PodSpec.nodeSelector mapType=atomic
core.v1.PodSpec.resourceClaims map=name patch=merge,retainKeys
core.v1.PodSpec.schedulingGates map=name patch=merge
core.v1.PodSpec.topologySpreadConstraints map=topologyKey,whenUnsatisfiable patch=merge
core.v1.PodSpec.volumes map=name patch=merge,retainKeys
core.v1.PodStatus.conditions map=type patch=merge
core.v1.PodStatus.hostIPs atomic patch=merge key=ip
core.v1.PodStatus.podIPs map=ip patch=merge
core.v1.PodStatus.resourceClaimStatuses map=name patch=merge,retainKeys
core.v1.ReplicationControllerSpec.selector mapType=atomic
core.v1.ReplicationControllerStatus.conditions map=type patch=merge
core.v1.ResourceRequirements.claims map=name
core.v1.ResourceStatus.resources map=resourceID
core.v1.ServiceAccount.secrets map=name patch=merge
core.v1.ServiceSpec.ports map=port,protocol patch=merge
core.v1.ServiceSpec.selector mapType=atomic
core.v1.ServiceStatus.conditions map=type patch=merge
discovery.v1.Endpoint.addresses set
flowcontrol.v1.FlowSchemaStatus.conditions map=type patch=merge
flowcontrol.v1.NonResourcePolicyRule.nonResourceURLs set
flowcontrol.v1.NonResourcePolicyRule.verbs set
flowcontrol.v1.PriorityLevelConfigurationStatus.conditions map=type patch=merge
flowcontrol.v1.ResourcePolicyRule.apiGroups set
flowcontrol.v1.ResourcePolicyRule.namespaces set
flowcontrol.v1.ResourcePolicyRule.resources set
flowcontrol.v1.ResourcePolicyRule.verbs set
networking.v1.ServiceCIDRStatus.conditions map=type patch=merge
node.v1.Scheduling.nodeSelector mapType=atomic
policy.v1.PodDisruptionBudgetSpec.selector patch=replace
policy.v1.PodDisruptionBudgetStatus.conditions map=type patch=merge
resource.v1.AllocatedDeviceStatus.conditions map=type
resource.v1.ResourceClaimStatus.devices map=driver,device,pool,shareID
resource.v1.ResourceClaimStatus.reservedFor map=uid patch=merge
storage.v1.CSIDriverSpec.volumeLifecycleModes set
storage.v1.CSINodeSpec.drivers map=name patch=merge
apiextensions.v1.CustomResourceDefinitionStatus.conditions map=type
apiextensions.v1.JSONSchemaProps.x-kubernetes-validations map=rule patch=merge
meta.v1.ObjectMeta.finalizers set patch=merge
meta.v1.ObjectMeta.ownerReferences map=uid patch=merge
apiregistration.v1.APIServiceSpec.caBundle atomic
apiregistration.v1.APIServiceStatus.conditions map=type patch=merge
`;

/** Structs that are owned as one value. */
export const atomicStructTable = `
admissionregistration.v1.MatchResources
admissionregistration.v1.NamedRuleWithOperations
admissionregistration.v1.ParamKind
admissionregistration.v1.ParamRef
admissionregistration.v1.Variable
autoscaling.v1.CrossVersionObjectReference
core.v1.ConfigMapKeySelector
core.v1.EndpointAddress
core.v1.EndpointPort
core.v1.FileKeySelector
core.v1.LocalObjectReference
core.v1.NodeSelector
core.v1.NodeSelectorTerm
core.v1.ObjectFieldSelector
core.v1.ObjectReference
core.v1.ResourceFieldSelector
core.v1.ScopeSelector
core.v1.SecretKeySelector
core.v1.SecretReference
core.v1.TopologySelectorTerm
core.v1.TypedLocalObjectReference
discovery.v1.EndpointPort
networking.v1.ServiceBackendPort
rbac.v1.RoleRef
rbac.v1.Subject
meta.v1.LabelSelector
meta.v1.OwnerReference
`;
