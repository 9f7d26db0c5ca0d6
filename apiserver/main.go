// A Kubernetes API in one process: kube-apiserver with etcd, the garbage collector and the namespace controller.
//
//	wasmbed-apiserver FOLDER
//
// FOLDER is private to this server and holds a FIFO, users, that every process which uses the server keeps open for
// writing, and a file, lock, that is held by whoever opens the FIFO. The server prints "ready" when FOLDER/kubeconfig
// is there, and when the last user has gone, however it went, it removes FOLDER and ends. A server that was killed can be
// started again in its folder: it has the same address, credentials and data.
//
// Called by the name kube-apiserver or etcd it is that program, with its command line.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

// By how many per cent the heap may grow before memory is collected: twice Go's default, with which a fifth of the
// processor time went there.
const heapGrowth = 200

func main() {
	switch filepath.Base(os.Args[0]) {
	case "kube-apiserver":
		os.Exit(cli.Run(app.NewAPIServerCommand()))
	case "etcd":
		etcdmain.Main(os.Args)
		return
	}
	if len(os.Args) != 2 {
		fmt.Fprintf(os.Stderr, "usage: %s FOLDER\n", filepath.Base(os.Args[0]))
		os.Exit(64)
	}
	debug.SetGCPercent(heapGrowth)
	folder := os.Args[1]
	users, err := openUsers(folder)
	if err != nil {
		fail(err)
	}
	// Nothing outlives the last user, so nothing is worth an orderly end: with open watches that takes a minute.
	go func() {
		users.wait()
		end(folder)
	}()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		<-signals
		end(folder)
	}()
	if err := serve(context.Background(), folder); err != nil {
		fail(err)
	}
}

// serve runs everything until the process ends.
func serve(ctx context.Context, folder string) error {
	credentials, err := credentialsOf(folder)
	if err != nil {
		return err
	}
	endpoint, etcd, err := startEtcd(folder)
	if err != nil {
		return err
	}
	server, err := makeServer(ctx, folder, endpoint, etcd, credentials)
	if err != nil {
		return err
	}
	go func() {
		err := server.wait(ctx)
		if err == nil {
			err = startControllers(ctx, server.loopback(), server.storages)
		}
		if err == nil {
			err = credentials.writeKubeconfig(filepath.Join(folder, "kubeconfig"), server.address)
		}
		if err != nil {
			fail(err)
		}
		fmt.Println("ready")
		os.Stdout.Close()
	}()
	return server.run(ctx)
}

func end(folder string) {
	os.RemoveAll(folder)
	os.Exit(0)
}

func fail(err error) {
	fmt.Fprintf(os.Stderr, "wasmbed-apiserver: %v\n", err)
	os.Exit(1)
}
