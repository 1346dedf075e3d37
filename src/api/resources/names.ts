/** One line a resource that has more names than its plural: `<plural>[.<group>]`, short names, categories. */
export const nameTable = `
componentstatuses cs
configmaps cm
endpoints ep
events ev
limitranges limits
namespaces ns
nodes no
persistentvolumeclaims pvc
persistentvolumes pv
pods po all
replicationcontrollers rc all
resourcequotas quota
serviceaccounts sa
services svc all
mutatingadmissionpolicies.admissionregistration.k8s.io - api-extensions
mutatingadmissionpolicybindings.admissionregistration.k8s.io - api-extensions
mutatingwebhookconfigurations.admissionregistration.k8s.io - api-extensions
validatingadmissionpolicies.admissionregistration.k8s.io - api-extensions
validatingadmissionpolicybindings.admissionregistration.k8s.io - api-extensions
validatingwebhookconfigurations.admissionregistration.k8s.io - api-extensions
customresourcedefinitions.apiextensions.k8s.io crd,crds api-extensions
apiservices.apiregistration.k8s.io - api-extensions
daemonsets.apps ds all
deployments.apps deploy all
replicasets.apps rs all
statefulsets.apps sts all
horizontalpodautoscalers.autoscaling hpa all
cronjobs.batch cj all
jobs.batch - all
certificatesigningrequests.certificates.k8s.io csr
events.events.k8s.io ev
ingresses.networking.k8s.io ing
ipaddresses.networking.k8s.io ip
networkpolicies.networking.k8s.io netpol
communicationpaths.paths.causeway.dev paths
poddisruptionbudgets.policy pdb
priorityclasses.scheduling.k8s.io pc
storageclasses.storage.k8s.io sc
volumeattributesclasses.storage.k8s.io vac
`;

/** Discovery order; within a group the preferred version is first. */
export const groupTable = `
- v1
apiregistration.k8s.io v1
apps v1
events.k8s.io v1
authentication.k8s.io v1
authorization.k8s.io v1
autoscaling v2 v1
batch v1
certificates.k8s.io v1 v1beta1
networking.k8s.io v1
policy v1
rbac.authorization.k8s.io v1
storage.k8s.io v1
admissionregistration.k8s.io v1
apiextensions.k8s.io v1
scheduling.k8s.io v1
coordination.k8s.io v1
node.k8s.io v1
discovery.k8s.io v1
flowcontrol.apiserver.k8s.io v1
resource.k8s.io v1
metrics.k8s.io v1beta1
paths.causeway.dev v1
`;
