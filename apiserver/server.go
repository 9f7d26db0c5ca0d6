package main

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	aggregatorapiserver "k8s.io/kube-aggregator/pkg/apiserver"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"
)

type server struct {
	address  string
	chain    *aggregatorapiserver.APIAggregator
	storages *storages
}

// makeServer makes a kube-apiserver that differs from an ordinary one only in what it leaves out to start fast.
func makeServer(ctx context.Context, folder, endpoint string, etcd *clientv3.Client, credentials *credentials) (*server, error) {
	listener, err := net.Listen("tcp", credentials.address)
	if err != nil {
		return nil, err
	}
	choices := options.NewServerRunOptions()
	choices.Etcd.StorageConfig.Transport.ServerList = []string{endpoint}
	choices.ServiceClusterIPRanges = "10.0.0.0/24"
	choices.EndpointReconcilerType = "none"
	choices.Features.EnablePriorityAndFairness = false
	choices.Authorization.Modes = []string{"RBAC"}
	choices.Authentication.TokenFile.TokenFile = credentials.tokens
	choices.Authentication.ServiceAccounts.Issuers = []string{"https://kubernetes.default.svc"}
	choices.Authentication.ServiceAccounts.KeyFiles = []string{credentials.key}
	choices.ServiceAccountSigningKeyFile = credentials.key
	// No controller makes the default ServiceAccount that this one wants for every Pod.
	choices.Admission.GenericAdmission.DisablePlugins = []string{"ServiceAccount"}
	choices.SecureServing.Listener = listener
	choices.SecureServing.BindPort = listener.Addr().(*net.TCPAddr).Port
	choices.SecureServing.ExternalAddress = net.IPv4(127, 0, 0, 1)
	choices.SecureServing.ServerCert.CertDirectory = filepath.Join(folder, "certificates")
	choices.SecureServing.ServerCert.CertKey.CertFile = credentials.certificate
	choices.SecureServing.ServerCert.CertKey.KeyFile = credentials.key
	if err := choices.GenericServerRunOptions.ComponentGlobalsRegistry.Set(); err != nil {
		return nil, err
	}
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	completed, err := choices.Complete(ctx)
	if err != nil {
		return nil, err
	}
	if errs := completed.Validate(); len(errs) != 0 {
		return nil, utilerrors.NewAggregate(errs)
	}
	config, err := app.NewConfig(completed)
	if err != nil {
		return nil, err
	}
	stored := &storages{etcd: etcd, root: choices.Etcd.StorageConfig.Prefix, prefixes: map[schema.GroupResource]string{}}
	builtIn, custom := config.KubeAPIs.ControlPlane.Generic, &config.ApiExtensions.ExtraConfig
	builtIn.RESTOptionsGetter = stored.of(builtIn.RESTOptionsGetter)
	custom.CRDRESTOptionsGetter = stored.of(custom.CRDRESTOptionsGetter)
	complete, err := config.Complete()
	if err != nil {
		return nil, err
	}
	chain, err := app.CreateServerChain(complete)
	if err != nil {
		return nil, err
	}
	return &server{listener.Addr().String(), chain, stored}, nil
}

func (s *server) run(ctx context.Context) error {
	prepared, err := s.chain.PrepareRun()
	if err != nil {
		return err
	}
	return prepared.Run(ctx)
}

// wait returns when the server says that it is ready.
func (s *server) wait(ctx context.Context) error {
	client, err := kubernetes.NewForConfig(s.loopback())
	if err != nil {
		return err
	}
	err = wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, 2*time.Minute, true, func(ctx context.Context) (bool, error) {
		return client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error() == nil, nil
	})
	if err != nil {
		return fmt.Errorf("kube-apiserver was not ready: %w", err)
	}
	return nil
}

// loopback is how the controllers in this process reach the server.
func (s *server) loopback() *rest.Config {
	return rest.CopyConfig(s.chain.GenericAPIServer.LoopbackClientConfig)
}
