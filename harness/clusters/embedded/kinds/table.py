"""The table of built-in kinds: names, scope, subresources and columns; fields are in the ``.fields`` files."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from harness.clusters.embedded import admission
from harness.clusters.embedded.kinds import (
    access_rules,
    autoscaling_v1,
    batch_rules,
    cluster_rules,
    network_rules,
    pod_rules,
    resource_rules,
    scaling_rules,
    service_rules,
    volume_rules,
    webhook_rules,
    workload_rules,
)
from harness.clusters.embedded.kinds.kind import kind_of as _kind
from harness.clusters.embedded.types import ResourceType

__all__ = ["kinds"]

_PODS = "Containers+=containers, Images+=images"
_SCALER = (
    "Reference=scaled, Targets=targets, MinPods=least, MaxPods=spec.maxReplicas, Replicas=#status.currentReplicas, Age"
)
_RBAC = "rbac.authorization.k8s.io/v1"
_STORAGE = "storage.k8s.io/v1"
_ADMISSION = "admissionregistration.k8s.io/v1"


@cache
def kinds() -> tuple[ResourceType, ...]:
    """The kinds of this table, in the order of discovery."""
    work = workload_rules.workload
    return (
        _kind("v1", "ConfigMap", "configmaps", "Data=data, Age", short="cm", prepare=admission.config_map),
        _kind(
            "v1",
            "Endpoints",
            "endpoints",
            "Endpoints=endpoints, Age",
            "create",
            "ep",
            network_rules.endpoints,
            deprecation="v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
        ),
        _kind("v1", "LimitRange", "limitranges", "Created At", "create", "limits", resource_rules.limits),
        _kind(
            "v1",
            "Namespace",
            "namespaces",
            "Status=status.phase, Age",
            "cluster status",
            "ns",
            admission.namespace,
            "status.phase",
        ),
        _kind(
            "v1",
            "Node",
            "nodes",
            "Status=node-status, Roles=none, Age, Version=status.nodeInfo.kubeletVersion, "
            "Internal-IP+=none, External-IP+=none, OS-Image+=?status.nodeInfo.osImage, "
            "Kernel-Version+=?status.nodeInfo.kernelVersion, "
            "Container-Runtime+=?status.nodeInfo.containerRuntimeVersion",
            "cluster status reported",
            "no",
            cluster_rules.node,
            "spec.unschedulable",
        ),
        _kind(
            "v1",
            "PersistentVolumeClaim",
            "persistentvolumeclaims",
            "Status=status.phase, Volume=~spec.volumeName, "
            "Capacity=claimed, Access Modes=claim-modes, StorageClass=~spec.storageClassName, "
            "VolumeAttributesClass=?spec.volumeAttributesClassName, Age, VolumeMode+=?spec.volumeMode",
            "status",
            "pvc",
            volume_rules.claim,
        ),
        _kind(
            "v1",
            "PersistentVolume",
            "persistentvolumes",
            "Capacity=spec.capacity.storage, Access Modes=volume-modes, "
            "Reclaim Policy=spec.persistentVolumeReclaimPolicy, Status=status.phase, Claim=claim, "
            "StorageClass=~spec.storageClassName, VolumeAttributesClass=?spec.volumeAttributesClassName, "
            "Reason=~status.reason, Age, VolumeMode+=?spec.volumeMode",
            "cluster status",
            "pv",
            volume_rules.volume,
        ),
        _kind(
            "v1",
            "Pod",
            "pods",
            "Ready=pod-ready, Status=pod-status, Restarts=restarts, Age, IP+=-status.podIP, "
            "Node+=-spec.nodeName, Nominated Node+=-status.nominatedNodeName, Readiness Gates+=none",
            "status all generation",
            "po",
            pod_rules.pod,
            "status.phase spec.nodeName spec.restartPolicy spec.serviceAccountName spec.schedulerName status.podIP",
        ),
        _kind(
            "v1",
            "PodTemplate",
            "podtemplates",
            "Containers=containers, Images=images, Pod Labels=-template.metadata.labels",
            "generation",
            prepare=pod_rules.template,
        ),
        _kind(
            "v1",
            "ReplicationController",
            "replicationcontrollers",
            "Desired:integer=#spec.replicas, "
            f"Current:integer=#status.replicas, Ready:integer=#status.readyReplicas, Age, {_PODS}, "
            f"Selector+=-spec.selector",
            "status generation all",
            "rc",
            workload_rules.controller,
            "status.replicas",
        ),
        _kind(
            "v1",
            "ResourceQuota",
            "resourcequotas",
            "Request=quota-requests, Limit=quota-limits, Age",
            "status create",
            "quota",
            resource_rules.quota,
        ),
        _kind("v1", "Secret", "secrets", "Type=type, Data=data, Age", prepare=admission.secret, selectable="type"),
        _kind("v1", "ServiceAccount", "serviceaccounts", "Age", short="sa"),
        _kind(
            "v1",
            "Service",
            "services",
            "Type=spec.type, Cluster-IP=-spec.clusterIP, External-IP=external, "
            "Port(s)=ports, Age, Selector+=-spec.selector",
            "status all create",
            "svc",
            service_rules.service,
            "spec.type spec.clusterIP",
        ),
        _kind(
            f"{_ADMISSION}",
            "MutatingWebhookConfiguration",
            "mutatingwebhookconfigurations",
            "Webhooks:integer=*webhooks, Age",
            "cluster generation extension",
            prepare=webhook_rules.webhooks,
        ),
        _kind(
            f"{_ADMISSION}",
            "ValidatingAdmissionPolicy",
            "validatingadmissionpolicies",
            "Validations:integer=*spec.validations, ParamKind=?spec.paramKind.kind, Age",
            "cluster status generation extension",
        ),
        _kind(
            f"{_ADMISSION}",
            "ValidatingAdmissionPolicyBinding",
            "validatingadmissionpolicybindings",
            "PolicyName=spec.policyName, ParamRef=?spec.paramRef.name, Age",
            "cluster generation extension",
        ),
        _kind(
            f"{_ADMISSION}",
            "ValidatingWebhookConfiguration",
            "validatingwebhookconfigurations",
            "Webhooks:integer=*webhooks, Age",
            "cluster generation extension",
            prepare=webhook_rules.webhooks,
        ),
        _kind(
            "apiregistration.k8s.io/v1",
            "APIService",
            "apiservices",
            "Service=api-service, Available=available-condition, Age",
            "cluster status reported extension names",
        ),
        _kind(
            "apps/v1",
            "ControllerRevision",
            "controllerrevisions",
            "Controller=none, Revision=revision, Age",
            prepare=cluster_rules.revision,
        ),
        _kind(
            "apps/v1",
            "DaemonSet",
            "daemonsets",
            "Desired:integer=#status.desiredNumberScheduled, "
            "Current:integer=#status.currentNumberScheduled, Ready:integer=#status.numberReady, "
            "Up-to-date:integer=#status.updatedNumberScheduled, Available:integer=#status.numberAvailable, "
            f"Node Selector=-spec.template.spec.nodeSelector, Age, {_PODS}, Selector+=selector",
            "status generation all",
            "ds",
            work,
        ),
        _kind(
            "apps/v1",
            "Deployment",
            "deployments",
            "Ready=of-replicas, Up-to-date=#status.updatedReplicas, "
            f"Available=#status.availableReplicas, Age, {_PODS}, Selector+=selector",
            "status generation all",
            "deploy",
            work,
        ),
        _kind(
            "apps/v1",
            "ReplicaSet",
            "replicasets",
            "Desired:integer=#spec.replicas, Current:integer=#status.replicas, "
            f"Ready:integer=#status.readyReplicas, Age, {_PODS}, Selector+=selector",
            "status generation all",
            "rs",
            work,
            "status.replicas",
        ),
        _kind(
            "apps/v1",
            "StatefulSet",
            "statefulsets",
            f"Ready=of-replicas, Age, {_PODS}",
            "status generation all",
            "sts",
            work,
        ),
        _kind(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            "horizontalpodautoscalers",
            _SCALER,
            "status all",
            "hpa",
            scaling_rules.autoscaler,
        ),
        replace(
            _kind(
                "autoscaling/v1",
                "HorizontalPodAutoscaler",
                "horizontalpodautoscalers",
                _SCALER,
                "status all",
                "hpa",
                scaling_rules.autoscaler,
            ),
            storage="horizontalpodautoscalers.autoscaling",
            from_storage=autoscaling_v1.from_storage,
            to_storage=autoscaling_v1.to_storage,
        ),
        _kind(
            "batch/v1",
            "CronJob",
            "cronjobs",
            "Schedule=spec.schedule, Timezone=-spec.timeZone, Suspend:boolean=suspended, "
            f"Active:integer=*status.active, Last Schedule:age=-status.lastScheduleTime, Age, {_PODS}, Selector+=none",
            "status generation all",
            "cj",
            batch_rules.cron_job,
        ),
        _kind(
            "batch/v1",
            "Job",
            "jobs",
            f"Status=job-status, Completions=completions, Duration:age=duration, Age, {_PODS}, Selector+=selector",
            "status generation all",
            prepare=batch_rules.job,
            selectable="status.successful",
        ),
        _kind(
            "certificates.k8s.io/v1",
            "CertificateSigningRequest",
            "certificatesigningrequests",
            "Age, SignerName=spec.signerName, Requestor=spec.username, RequestedDuration=none, Condition=nothing",
            "cluster status",
            "csr",
            cluster_rules.signing_request,
            "spec.signerName",
        ),
        _kind(
            "coordination.k8s.io/v1",
            "Lease",
            "leases",
            "Holder=~spec.holderIdentity, Age",
            "create conditional",
            prepare=cluster_rules.lease,
        ),
        _kind(
            "discovery.k8s.io/v1",
            "EndpointSlice",
            "endpointslices",
            "AddressType=addressType, Ports=slice-ports, Endpoints=slice-endpoints, Age",
            "generation",
            prepare=network_rules.endpoint_slice,
        ),
        _kind(
            "networking.k8s.io/v1",
            "IngressClass",
            "ingressclasses",
            "Controller=spec.controller, Parameters=none, Age",
            "cluster generation",
            prepare=network_rules.ingress_class,
        ),
        _kind(
            "networking.k8s.io/v1",
            "Ingress",
            "ingresses",
            "Class=-spec.ingressClassName, Hosts=hosts, Address=balancers, Ports=ingress-ports, Age",
            "status generation",
            "ing",
            network_rules.ingress,
        ),
        _kind(
            "networking.k8s.io/v1",
            "NetworkPolicy",
            "networkpolicies",
            "Pod-Selector=pod-selector, Age",
            "generation",
            "netpol",
            network_rules.network_policy,
        ),
        _kind("node.k8s.io/v1", "RuntimeClass", "runtimeclasses", "Handler=handler, Age", "cluster create"),
        _kind(
            "policy/v1",
            "PodDisruptionBudget",
            "poddisruptionbudgets",
            "Min Available=available, "
            "Max Unavailable=unavailable, Allowed Disruptions:integer=#status.disruptionsAllowed, Age",
            "status generation conditional",
            "pdb",
            scaling_rules.budget,
        ),
        _kind(
            _RBAC,
            "ClusterRoleBinding",
            "clusterrolebindings",
            "Role=role, Age, Users+=users, Groups+=groups, ServiceAccounts+=accounts",
            "cluster create names",
            prepare=access_rules.binding,
        ),
        _kind(_RBAC, "ClusterRole", "clusterroles", "Created At", "cluster create names", prepare=access_rules.role),
        _kind(
            _RBAC,
            "RoleBinding",
            "rolebindings",
            "Role=role, Age, Users+=users, Groups+=groups, ServiceAccounts+=accounts",
            "create names",
            prepare=access_rules.binding,
        ),
        _kind(_RBAC, "Role", "roles", "Created At", "create names", prepare=access_rules.role),
        _kind(
            "scheduling.k8s.io/v1",
            "PriorityClass",
            "priorityclasses",
            "Value:integer=value, Global-Default:boolean=globalDefault, Age, PreemptionPolicy=preemptionPolicy",
            "cluster generation",
            "pc",
            cluster_rules.priority,
        ),
        _kind(
            _STORAGE,
            "CSIDriver",
            "csidrivers",
            "AttachRequired:boolean=spec.attachRequired, "
            "PodInfoOnMount:boolean=spec.podInfoOnMount, StorageCapacity:boolean=spec.storageCapacity, "
            "TokenRequests=unset, RequiresRepublish=spec.requiresRepublish, Modes=?spec.volumeLifecycleModes, Age",
            "cluster",
        ),
        _kind(_STORAGE, "CSINode", "csinodes", "Drivers:integer=*spec.drivers, Age", "cluster"),
        _kind(
            _STORAGE,
            "StorageClass",
            "storageclasses",
            "Provisioner=provisioner, ReclaimPolicy=reclaimPolicy, "
            "VolumeBindingMode=volumeBindingMode, AllowVolumeExpansion=allowVolumeExpansion, Age",
            "cluster",
            "sc",
            volume_rules.storage_class,
        ),
        _kind(
            _STORAGE,
            "VolumeAttachment",
            "volumeattachments",
            "Attacher=spec.attacher, PV=spec.source.persistentVolumeName, "
            "Node=spec.nodeName, Attached:boolean=status.attached, Age",
            "cluster status",
        ),
    )
