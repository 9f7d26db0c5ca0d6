package main

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/metadata"
)

// emptying is the client with which the namespace controller empties namespaces. It asks for every type there is, twice,
// and a namespace holds few of them: for the others etcd answers.
type emptying struct {
	metadata.Interface
	storages *storages
}

func (e emptying) Resource(resource schema.GroupVersionResource) metadata.Getter {
	return emptyingType{e.Interface.Resource(resource), resource.GroupResource(), e.storages}
}

type emptyingType struct {
	metadata.Getter
	resource schema.GroupResource
	storages *storages
}

func (t emptyingType) Namespace(namespace string) metadata.ResourceInterface {
	return emptyingPlace{t.Getter.Namespace(namespace), namespace, t}
}

type emptyingPlace struct {
	metadata.ResourceInterface
	namespace string
	of        emptyingType
}

func (p emptyingPlace) DeleteCollection(ctx context.Context, options metav1.DeleteOptions, which metav1.ListOptions) error {
	if p.isEmpty(ctx) {
		return nil
	}
	return p.ResourceInterface.DeleteCollection(ctx, options, which)
}

func (p emptyingPlace) List(ctx context.Context, which metav1.ListOptions) (*metav1.PartialObjectMetadataList, error) {
	if p.isEmpty(ctx) {
		return &metav1.PartialObjectMetadataList{}, nil
	}
	return p.ResourceInterface.List(ctx, which)
}

func (p emptyingPlace) isEmpty(ctx context.Context) bool {
	return p.of.storages.isEmpty(ctx, p.of.resource, p.namespace)
}
