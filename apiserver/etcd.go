package main

import (
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	"go.etcd.io/etcd/server/v3/storage/wal"
)

// startEtcd starts a store that is lost with its folder, so it never waits for a disk. It returns where the store is, and a client in
// this process.
func startEtcd(folder string) (string, *clientv3.Client, error) {
	wal.SegmentSizeBytes = 4 << 20 // They are allocated whole: 64 MiB each by default.
	config := embed.NewConfig()
	config.Dir = filepath.Join(folder, "etcd")
	config.UnsafeNoFsync = true
	config.TickMs, config.ElectionMs = 10, 100 // The first election is over after that.
	config.LogLevel = "error"
	socket := filepath.Join(folder, "etcd.sock")
	config.ListenClientUrls = []url.URL{{Scheme: "unix", Host: socket}}
	// Nobody reads what is advertised, but it has to be a host and a port.
	config.AdvertiseClientUrls = []url.URL{{Scheme: "http", Host: "localhost:1"}}
	config.ListenPeerUrls = nil
	store, err := embed.StartEtcd(config)
	if err != nil {
		return "", nil, fmt.Errorf("etcd: %w", err)
	}
	select {
	case <-store.Server.ReadyNotify():
		return "unix://" + socket, v3client.New(store.Server), nil
	case err := <-store.Err():
		return "", nil, fmt.Errorf("etcd: %w", err)
	case <-time.After(time.Minute):
		return "", nil, fmt.Errorf("etcd was not ready within a minute")
	}
}
