package main

import (
	"context"
	"path"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/cacher"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/apiserver/pkg/storage/storagebackend/factory"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
)

const (
	// How long a watch cache waits between two questions to etcd how far it is, as long as a list waits for the
	// answer. In a real cluster 100 ms, so there a list soon after another one and a write waits that long.
	progressPeriod = 2 * time.Millisecond
	// The cache's other timers are longer than this.
	longestProgressPeriod = time.Second / 2
)

// storages makes the server's storages, and knows where each resource type is in etcd.
type storages struct {
	etcd *clientv3.Client
	// Before each key in etcd.
	root string

	lock     sync.Mutex
	prefixes map[schema.GroupResource]string
}

// of returns getter with these storages in the place of its own.
func (s *storages) of(getter generic.RESTOptionsGetter) generic.RESTOptionsGetter {
	return storageOptions{getter, s}
}

// isEmpty returns whether a namespace has no object of a type, as etcd has it now; false where that is not known.
func (s *storages) isEmpty(ctx context.Context, resource schema.GroupResource, namespace string) bool {
	s.lock.Lock()
	prefix, found := s.prefixes[resource]
	s.lock.Unlock()
	if !found {
		return false
	}
	folder := path.Join(s.root, prefix, namespace) + "/"
	answer, err := s.etcd.Get(ctx, folder, clientv3.WithPrefix(), clientv3.WithCountOnly())
	return err == nil && answer.Count == 0
}

type storageOptions struct {
	generic.RESTOptionsGetter
	storages *storages
}

func (o storageOptions) GetRESTOptions(resource schema.GroupResource, example runtime.Object) (generic.RESTOptions, error) {
	options, err := o.RESTOptionsGetter.GetRESTOptions(resource, example)
	if err != nil {
		return options, err
	}
	o.storages.lock.Lock()
	o.storages.prefixes[resource] = options.ResourcePrefix
	o.storages.lock.Unlock()
	if resource.Resource != "events" { // They have no watch cache.
		options.Decorator = cachedStorage
	}
	return options, nil
}

// cachedStorage is registry.StorageWithCacher with the clock above.
func cachedStorage(
	config *storagebackend.ConfigForResource,
	prefix string,
	key func(runtime.Object) (string, error),
	newObject, newList func() runtime.Object,
	attributes storage.AttrFunc,
	triggers storage.IndexerFuncs,
	indexers *cache.Indexers,
) (storage.Interface, factory.DestroyFunc, error) {
	raw, destroy, err := generic.NewRawStorage(config, newObject, newList, prefix)
	if err != nil {
		return raw, destroy, err
	}
	cached, err := cacher.NewCacherFromConfig(cacher.Config{
		Storage:             raw,
		Versioner:           storage.APIObjectVersioner{},
		GroupResource:       config.GroupResource,
		EventsHistoryWindow: config.EventsHistoryWindow,
		ResourcePrefix:      prefix,
		KeyFunc:             key,
		NewFunc:             newObject,
		NewListFunc:         newList,
		GetAttrsFunc:        attributes,
		IndexerFuncs:        triggers,
		Indexers:            indexers,
		Codec:               config.Codec,
		Clock:               cacheClock{},
	})
	if err != nil {
		return nil, func() {}, err
	}
	delegator := cacher.NewCacheDelegator(cached, raw)
	var once sync.Once
	return delegator, func() {
		once.Do(func() {
			delegator.Stop()
			cached.Stop()
			destroy()
		})
	}, nil
}

// cacheClock is the clock of the watch caches.
type cacheClock struct{ clock.RealClock }

func (c cacheClock) NewTimer(after time.Duration) clock.Timer {
	timer := c.RealClock.NewTimer(after)
	if after < longestProgressPeriod {
		return progressTimer{timer}
	}
	return timer
}

type progressTimer struct{ clock.Timer }

func (t progressTimer) Reset(after time.Duration) bool {
	return t.Timer.Reset(min(after, progressPeriod))
}
